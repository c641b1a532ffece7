"""The sandbox's own requests to the API server."""

import json
import ssl
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, Self

from tgi_sandbox.cluster.ports import LOOPBACK

_TIMEOUT_SECONDS = 10.0


class ApiError(RuntimeError):
    """The API server refused a request; the message is the server's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class ApiServer:
    """Talks to the API server on a port of 127.0.0.1, with a bearer token and verified TLS."""

    def __init__(self, port: int, token: str, certificate_authority: Path) -> None:
        self.url = f"https://{LOOPBACK}:{port}"
        self._port = port
        self._token = token
        self._context = ssl.create_default_context(cafile=str(certificate_authority))
        self._kept = threading.local()

    @classmethod
    def from_kubeconfig(cls, kubeconfig: Path, certificate_authority: Path) -> Self:
        """Connect to the server in the control plane's kubeconfig, as its user."""
        config = json.loads(kubeconfig.read_text())
        _, _, port = config["clusters"][0]["cluster"]["server"].rpartition(":")
        return cls(int(port), config["users"][0]["user"]["token"], certificate_authority)

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request with a JSON body (for PATCH, a merge patch), and return the JSON answer, if any."""
        answer: dict[str, Any] = json.loads(self._send(method, path, body) or "{}")
        return answer

    def text(self, path: str) -> str:
        """Return the text of a path that is not JSON, such as /metrics."""
        return self._send("GET", path)

    def watch(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield the events of a watch until the server ends it."""
        with closing(self._connect(timeout=None)) as connection:
            for line in self._respond(connection, "GET", path):
                yield json.loads(line)

    def ready(self) -> bool:
        """Whether the API server reports that it is ready."""
        try:
            self._send("GET", "/readyz")
        except (ApiError, OSError, HTTPException):
            return False
        return True

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> str:
        if method == "GET":
            return self._read(path)
        with closing(self._connect(_TIMEOUT_SECONDS)) as connection:
            return self._respond(connection, method, path, body).read().decode()

    def _read(self, path: str) -> str:
        """Return the answer to a GET, over the connection of the thread: a handshake costs more than most answers."""
        kept: HTTPSConnection | None = getattr(self._kept, "connection", None)
        if kept is not None:
            try:
                return self._respond(kept, "GET", path).read().decode()
            except (OSError, HTTPException):
                # The server has closed it, or is another one now. A second failure is one of the server.
                kept.close()
        self._kept.connection = connection = self._connect(_TIMEOUT_SECONDS)
        # Python warns about sockets that are still open when they are collected.
        weakref.finalize(self, connection.close)
        return self._respond(connection, "GET", path).read().decode()

    def _connect(self, timeout: float | None) -> HTTPSConnection:
        return HTTPSConnection(LOOPBACK, self._port, timeout=timeout, context=self._context)

    def _respond(
        self, connection: HTTPSConnection, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> HTTPResponse:
        content_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": content_type}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise ApiError(response.status, response.read().decode())
        return response
