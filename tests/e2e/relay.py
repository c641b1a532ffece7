"""A way to the API server that notes the requests on it and can be cut: TLS on the far side only."""

import re
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

# At the start of a chunk: requests are sent one by one, and no line of a body in JSON looks like this.
_REQUEST = re.compile(rb"^(GET|POST|PUT|PATCH|DELETE) (/\S+) HTTP/1\.1\r$", re.MULTILINE)


@dataclass(frozen=True)
class Seen:
    """A request, by the monotonic clock."""

    time: float
    method: str
    path: str


@dataclass
class Relay:
    """Passes plain connections on to a TLS `server`. A context manager."""

    server: str
    authority: str
    requests: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._context = ssl.create_default_context(cadata=self.authority)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = threading.Event()
        self._open.set()
        self._over = False

    @property
    def address(self) -> str:
        """Where to connect to."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Let nothing through, as if every packet was lost: connections stay, and nobody is told."""
        self._open.clear()

    def writes(self, since: float = 0.0) -> list[Seen]:
        """Return the requests since a moment that change something other than the Lease."""
        return [each for each in self.requests if each.time >= since and each.method != "GET" and not _is_lease(each)]

    def reads(self) -> list[Seen]:
        """Return the requests that change nothing, without those for the Lease."""
        return [each for each in self.requests if each.method == "GET" and not _is_lease(each)]

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        parts = urlsplit(self.server)
        self._open.wait()
        plain = socket.create_connection((parts.hostname, parts.port))
        server = self._context.wrap_socket(plain, server_hostname=parts.hostname)
        threading.Thread(target=self._pass_on, args=(client, server, True), daemon=True).start()
        self._pass_on(server, client, noted=False)

    def _pass_on(self, source: socket.socket, sink: socket.socket, noted: bool) -> None:
        try:
            while data := source.recv(64 * 1024):
                self._open.wait()
                if self._over:
                    break
                if noted:
                    self._note(data)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            # The other thread waits in recv, which a close alone does not end.
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _note(self, data: bytes) -> None:
        now = time.monotonic()
        self.requests += [Seen(now, method.decode(), path.decode()) for method, path in _REQUEST.findall(data)]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        self._open.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _is_lease(seen: Seen) -> bool:
    return "/leases" in seen.path
