"""The emulator as an HTTP server on threads of the process that starts it."""

import re
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tgi_sandbox.hub.answers import Answer, answer
from tgi_sandbox.hub.faults import Fault, Faults
from tgi_sandbox.hub.repository import Repository

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True)
class Request:
    """A request that was answered; `status` is that of the answer, `sent` the size of its body in bytes."""

    method: str
    path: str
    token: str | None
    range: str | None
    status: int
    sent: int


class HubDouble:
    """Serves its repositories; a context manager."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.faults = Faults()
        self.requests: list[Request] = []
        self.closing = threading.Event()
        hub = self

        class Handler(_Handler):
            double = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def address(self) -> str:
        """The value for HF_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def elsewhere(self) -> str:
        """The same server under another host name, for large files."""
        return f"http://localhost:{self._server.server_port}"

    def add(self, repository: Repository) -> Repository:
        """Serve a repository."""
        self.repositories[repository.id] = repository
        return repository

    def reset(self) -> None:
        """Remove repositories, faults and requests."""
        self.repositories.clear()
        self.faults.clear()
        self.requests.clear()

    def downloads(self) -> list[Request]:
        """Return the requests that were answered with the content of files, or a part of one."""
        return [one for one in self.requests if one.method == "GET" and one.sent and not one.path.startswith("/api/")]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    double: HubDouble
    protocol_version = "HTTP/1.1"
    # Head and body are two writes; with Nagle's algorithm, the second waits for 40 ms.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer with a body."""
        self._answer()

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self._answer()

    def log_message(self, *_: object) -> None:
        """Print nothing: the emulator records the requests."""

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        fault = self.double.faults.draw(self.command, path)
        if fault is not None and fault.status is not None:
            pause = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
            self._send(path, Answer(fault.status, b"", pause), None)
            return
        found = answer(self.double.repositories, self.double.elsewhere, path, self._token())
        self._send(path, found, fault)

    def _send(self, path: str, whole: Answer, fault: Fault | None) -> None:
        status, body, headers = whole.status, whole.body, dict(whole.headers)
        if status == 200 and (match := _RANGE.fullmatch(self.headers.get("Range", ""))):
            first, last = int(match[1]), min(int(match[2] or len(body)), len(body) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
            status, body = 206, body[first : last + 1]
        sent = b"" if self.command == "HEAD" else body if fault is None else body[: fault.after]
        # Before the answer: a caller can inspect the requests as soon as it has the answer.
        self.double.requests.append(
            Request(self.command, path, self._token(), self.headers.get("Range"), status, len(sent))
        )
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(sent)
        if fault is not None:
            if fault.hold:
                self.double.closing.wait()
            self.close_connection = True

    def _token(self) -> str | None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if scheme == "Bearer" else None
