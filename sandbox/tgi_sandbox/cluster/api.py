"""The few requests to the API server that the sandbox itself makes."""

import json
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

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

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request with a JSON body and return the JSON answer."""
        answer: dict[str, Any] = json.loads(self._send(method, path, body))
        return answer

    def text(self, path: str) -> str:
        """Return what a path that is not JSON says, such as /metrics."""
        return self._send("GET", path)

    def ready(self) -> bool:
        """Whether the API server says that it is ready."""
        try:
            self._send("GET", "/readyz")
        except (ApiError, OSError, HTTPException):
            return False
        return True

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> str:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body)
        connection = HTTPSConnection(LOOPBACK, self._port, timeout=_TIMEOUT_SECONDS, context=self._context)
        try:
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise ApiError(response.status, text)
        return text
