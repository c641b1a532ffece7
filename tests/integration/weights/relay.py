"""A connection to a server that stops responding after so many bytes of its answers."""

import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Relay:
    """Relays connections to `address`; answers stop after `limit` bytes in all. A context manager."""

    def __init__(self, address: str, limit: int) -> None:
        self._target = ("127.0.0.1", urlsplit(address).port or 0)
        self._left = limit
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()

    @property
    def address(self) -> str:
        """The address of the relay."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            for arguments in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pass_on, args=arguments, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, limited: bool) -> None:
        try:
            while data := source.recv(64 * 1024):
                with self._lock:
                    self._left -= len(data) if limited else 0
                    silent = self._left < 0
                if silent:
                    self._over.wait()
                    break
                sink.sendall(data)
        except OSError:
            pass
        source.close()
        sink.close()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
