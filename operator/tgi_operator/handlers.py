"""All code that depends on kopf, which provides the informer and runs the process. The handlers only pass on events.

The reconciliation loop is the operator's own: kopf's change handlers keep their progress in annotations and sleep in
their workers. All handlers are coroutines, because kopf runs plain functions in threads and the controller lives in the
event loop.
"""

import logging
from collections.abc import Iterable

import kopf

from tgi_operator.api.identifiers import GROUP, KIND, PLURAL, VERSION
from tgi_operator.backends.incluster.desired.names import LABEL_NAME
from tgi_operator.backends.incluster.kinds import KINDS, Kind
from tgi_operator.backends.incluster.seen import children
from tgi_operator.control import store
from tgi_operator.control.controller import Controller
from tgi_operator.intake import PAGE, Object
from tgi_operator.kube import Kube
from tgi_operator.watching import reduced_responses

STOP_SECONDS = 80
"""Longest wait for AWS calls in progress, which are tried three times, before kopf ends the process."""


_TEXT = "[%(asctime)s] [%(levelname)-8s] %(name)s: %(message)s"
"""A line of the text log. kopf's own format truncates logger names to 20 characters."""


class NoDiffs(kopf.DiffBaseStorage):
    """Stores nothing. Otherwise, kopf would copy every object on every event to compute diffs that nothing uses."""

    def build(self, **_: object) -> kopf.BodyEssence:
        """Return no part of the object."""
        return kopf.BodyEssence()

    def fetch(self, **_: object) -> kopf.BodyEssence | None:
        """Return no stored state."""
        return None

    def store(self, **_: object) -> None:
        """Store nothing."""


def configure_logging(log_format: str, *, debug: bool) -> None:
    """Write logs as `json` or `text`. Each line about a resource has the name of the resource."""
    form = kopf.LogFormat.JSON if log_format == "json" else kopf.LogFormat.FULL
    kopf.configure(debug=debug, log_format=form)
    if form is kopf.LogFormat.FULL:
        for handler in logging.getLogger().handlers:
            handler.addFilter(_with_object)
            handler.setFormatter(logging.Formatter(_TEXT))


def _with_object(record: logging.LogRecord) -> bool:
    name = getattr(record, "object", None)
    if name is not None:
        record.msg = f"[{name}] {record.msg}"
    return True


def registry(controller: Controller, kube: Kube, kinds: Iterable[Kind]) -> kopf.OperatorRegistry:
    """Return the handlers, bound to one controller. `kinds` are watched besides TGIEndpoints and Secrets."""
    handlers = kopf.OperatorRegistry()
    # kopf parses in the event loop, keeps whole objects until its workers take them, and exits on deeply nested JSON.
    responses = reduced_responses(_reduced, controller.wants)

    @kopf.on.login(registry=handlers)
    async def login(**_: object) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(server=kube.server, aiohttp_session=kube.informer_session(responses))

    @kopf.on.startup(registry=handlers)
    async def configure(settings: kopf.OperatorSettings, **_: object) -> None:
        _configure(settings, kinds)

    @kopf.on.cleanup(registry=handlers)
    async def stop(**_: object) -> None:
        # kopf waits five seconds for tasks that were started after its own. The sweeps would not end on their own.
        await controller.close()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=handlers)
    async def endpoint(type: str, body: kopf.Body, **_: object) -> None:  # noqa: A002 - kopf's name for it
        if type == "DELETED":
            meta = body["metadata"]
            controller.removed(meta["namespace"], meta["name"], meta["uid"])
        else:
            controller.seen(body)

    async def child(type: str, body: kopf.Body, **_: object) -> None:  # noqa: A002 - kopf's name for it
        if type == "DELETED":
            controller.child_removed(body)
        else:
            controller.child_seen(body)

    for kind in kinds:
        kopf.on.event(kind.api_version, kind.plural, registry=handlers)(child)

    return handlers


def _reduced(body: Object) -> Object | None:
    kind = body.get("kind")
    if kind == KIND:
        return store.reduced(body)
    return children.reduced(body) if kind in KINDS else body


def _configure(settings: kopf.OperatorSettings, kinds: Iterable[Kind]) -> None:
    # kopf removes its own finalizer from objects for which no handler needs it, so the operator's has another name.
    settings.persistence.finalizer = f"{GROUP}/kopf-unused"
    settings.persistence.diffbase_storage = NoDiffs()
    # Safe and lean, because the handlers only pass objects on: a worker is free again immediately.
    settings.queueing.worker_limit = 100
    settings.queueing.idle_timeout = 0.05
    settings.watching.chunk_size = PAGE
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    for kind in kinds:
        settings.watching.label_selectors[kind.api_version, kind.plural] = LABEL_NAME
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.enforce_retry_after = True
    # The controller posts the Events and deduplicates them.
    settings.posting.enabled = False
    # No watch of CRDs and namespaces, so that the operator needs few permissions.
    settings.scanning.disabled = True
    settings.process.ultimate_exiting_timeout = STOP_SECONDS


async def watch(controller: Controller, kube: Kube, kinds: tuple[Kind, ...], namespaces: tuple[str, ...]) -> None:
    """Watch until SIGTERM or SIGINT, or until a watch fails permanently."""
    await kopf.operator(
        registry=registry(controller, kube, kinds),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
    )
