"""Free TCP ports on loopback for servers that need a given port, and checks for listeners."""

import atexit
import random
import socket
from collections import deque
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

LOOPBACK = "127.0.0.1"
LOCALHOST = "localhost"

# Below the range of ephemeral ports (32768 and up on Linux): no connection that is opened between the choice and the
# server's start takes a port from here.
_CANDIDATES = range(20_000, 32_000)
_TIMEOUT_SECONDS = 5.0

_RESERVATIONS: deque[socket.socket] = deque(maxlen=256)
"""Abstract sockets that name the last ports that this process has chosen; the end of the process releases them.

A control plane starts seconds after the choice of its ports. Without a reservation, a process of another sandbox could
choose one of them meanwhile.
"""


@atexit.register
def _release() -> None:
    # Python reports sockets that are still open when it exits.
    for reservation in _RESERVATIONS:
        reservation.close()


def free_ports(count: int) -> list[int]:
    """Return distinct ports on 127.0.0.1 without listeners, which no other sandbox has chosen just before."""
    ports: list[int] = []
    for port in random.sample(_CANDIDATES, len(_CANDIDATES)):
        if len(ports) == count:
            break
        if _is_free(port) and _reserve(port):
            ports.append(port)
    return ports


def _reserve(port: int) -> bool:
    """Reserve a port; return whether no process has reserved it."""
    reservation = socket.socket(socket.AF_UNIX)
    try:
        reservation.bind(abstract(f"tgi-sandbox-port-{port}"))
    except OSError:
        reservation.close()
        return False
    if len(_RESERVATIONS) == _RESERVATIONS.maxlen:
        _RESERVATIONS.popleft().close()
    _RESERVATIONS.append(reservation)
    return True


def is_listening(port: int) -> bool:
    """Whether a server accepts connections on a port of 127.0.0.1."""
    with socket.socket() as client:
        client.settimeout(_TIMEOUT_SECONDS)
        return client.connect_ex((LOOPBACK, port)) == 0


def is_bound(name: str) -> bool:
    """Whether a server accepts connections on an abstract socket, `@` and a name."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(abstract(name)) == 0


def abstract(name: str) -> str:
    """Return the address of an abstract socket in the kernel's format; in text, it begins with `@`."""
    return "\0" + name.removeprefix("@")


def answers(port: int, path: str) -> bool:
    """Whether an HTTP server on a port of 127.0.0.1 answers a GET of `path` with 200."""
    connection = HTTPConnection(LOOPBACK, port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _is_free(port: int) -> bool:
    with socket.socket() as server:
        try:
            server.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
