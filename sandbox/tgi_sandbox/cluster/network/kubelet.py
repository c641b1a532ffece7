"""The kubelet of all nodes, limited to the logs of containers, which the API server requests."""

import asyncio
from collections.abc import Callable, Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tgi_sandbox.cluster.api import ApiError

# Returns the log of a container, given the namespace, the pod, the container, and whether its previous life is meant.
LogReader = Callable[[str, str, str, bool], str]


def application(log: LogReader) -> Starlette:
    """Return the kubelet's web application; it accepts `follow` without effect."""

    async def container_logs(request: Request) -> Response:
        where = request.path_params
        try:
            previous = request.query_params.get("previous") == "true"
            text = await asyncio.to_thread(log, where["namespace"], where["pod"], where["container"], previous)
        except ApiError as error:
            return PlainTextResponse(str(error), error.code)
        return PlainTextResponse(cut(text, request.query_params))

    return Starlette(routes=[Route("/containerLogs/{namespace}/{pod}/{container}", container_logs)])


def cut(text: str, query: Mapping[str, str]) -> str:
    """Return the requested part of a log."""
    if "tailLines" in query:
        lines = text.splitlines(keepends=True)
        text = "".join(lines[max(0, len(lines) - int(query["tailLines"])) :])
    if "limitBytes" in query:
        text = text.encode()[: int(query["limitBytes"])].decode(errors="ignore")
    return text
