"""The control API under /_sandbox/: inspect the emulator, advance its time, script its failures."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from tgi_sandbox.aws import iam, lifecycle
from tgi_sandbox.aws.faults import Fault, FaultKind
from tgi_sandbox.aws.lifecycle import Outcome, Status
from tgi_sandbox.aws.operations.descriptions import description
from tgi_sandbox.aws.outages import Outage
from tgi_sandbox.aws.outcomes import Change, Script

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from tgi_sandbox.aws.eks import Cluster
    from tgi_sandbox.aws.state import Region
    from tgi_sandbox.aws.world import World

SYSTEM_UPDATE = "system_update"
Answer = dict[str, Any]

_SETTINGS = (
    "durations",
    "quotas",
    "consistency_delay",
    "scalable_targets_quota",
    "concurrent_update_seconds",
    "unreadable_model_data",
    "missing_images",
)
_FAULT = tuple(field.name for field in fields(Fault) if field.name != "kind")


def admin_app(world: World, cluster: Cluster, reset_others: Callable[[], None]) -> Starlette:
    """The control API over a world and the EKS cluster; `reset_others` empties the other services."""
    admin = _Admin(world, cluster, reset_others)
    routes = [
        _route("GET", "state", lambda _: admin.state()),
        _route("GET", "clock", lambda _: admin.clock()),
        _route("GET", "cpu", lambda _: admin.cpu()),
        _route("GET", "requests/counts", lambda _: world.journal.counts()),
        Route("/_sandbox/requests", admin.requests),
        _route("POST", "advance", admin.advance, ("seconds",)),
        _route("POST", "script", admin.script, ("endpoint", "outcome"), ("times", "on", "seconds")),
        _route("POST", "faults", admin.faults, takes=("add", "clear", "seed")),
        _route("POST", "outage", admin.outage, ("region", "kind")),
        _route("POST", "credentials", admin.credentials, ("expired",)),
        _route("POST", "status", admin.status, ("endpoint", "status")),
        _route("POST", "settings", admin.settings, takes=_SETTINGS),
        _route("POST", "policy", admin.policy, ("access_key", "document")),
        _route("POST", "cluster", admin.cluster, ("name", "issuer")),
        _route("POST", "load", admin.load, ("endpoint",), ("concurrentRequests", "invocationsPerMinute")),
        _route("POST", "metrics", admin.metrics, ("namespace", "metricName", "value"), ("dimensions",)),
        _route("POST", "requests/clear", lambda _: admin.clear_requests()),
        _route("POST", "reset", lambda _: admin.reset()),
    ]
    return Starlette(routes=routes)


def _route(
    method: str,
    name: str,
    answer: Callable[[Answer], Answer],
    needs: tuple[str, ...] = (),
    takes: tuple[str, ...] = (),
) -> Route:
    """Return the route of a request whose body has the fields in `needs` and, optionally, those in `takes`."""

    async def respond(request: Request) -> Response:
        try:
            body = await request.json() if await request.body() else {}
            _check(f"/_sandbox/{name}", body, needs, takes)
            return JSONResponse(answer(body))
        except (ValueError, TypeError) as error:
            raise HTTPException(400, str(error)) from error

    handler: Callable[[Request], Awaitable[Response]] = respond
    return Route(f"/_sandbox/{name}", handler, methods=[method])


def _check(what: str, body: object, needs: tuple[str, ...], takes: tuple[str, ...]) -> None:
    """Raise ValueError for a body that is not a JSON object, has unknown fields or lacks required ones."""
    if not isinstance(body, dict):
        raise TypeError(f"{what} takes a JSON object, not {body!r}")
    if unknown := sorted(set(body) - {*needs, *takes}):
        known = ", ".join((*needs, *takes)) or "none"
        raise ValueError(f"{what} has no field {', '.join(unknown)}; known: {known}")
    if missing := [name for name in needs if name not in body]:
        example = json.dumps(dict.fromkeys(needs, "…"), ensure_ascii=False)
        raise ValueError(f"{what} needs {', '.join(missing)}: send {example}")


class _Admin:
    def __init__(self, world: World, cluster: Cluster, reset_others: Callable[[], None]) -> None:
        self._world = world
        self._cluster = cluster
        self._reset_others = reset_others

    def state(self) -> Answer:
        world = self._world
        return {
            "regions": [_region(region) for region in world.settled()],
            "allowed": {key: sorted(actions) for key, actions in world.allowed.items()},
            "violations": [asdict(violation) for violation in world.violations],
            "logs": world.logs,
            "scripts": [asdict(script) for script in world.scripts.pending()],
            "faults": [asdict(fault) for fault in world.faults.pending()],
            "outages": world.outages.all(),
            "expired_credentials": world.has_expired_credentials,
            "quotas": world.quotas,
            "unreadable_model_data": world.unreadable_model_data,
            "missing_images": world.missing_images,
            "load": {
                name: {"concurrentRequests": load.concurrent.value, "invocationsPerMinute": load.per_minute.value}
                for name, load in world.pretended.loads.items()
                if load.concurrent.value or load.per_minute.value
            },
            "metrics": [
                {"namespace": namespace, "metricName": name, "dimensions": dict(dimensions), "value": metric.value}
                for (namespace, name, dimensions), metric in world.pretended.series.items()
                if metric.value is not None
            ],
            "durations": asdict(world.durations),
            "clock": self.clock(),
        }

    def clock(self) -> Answer:
        return {"now": self._world.clock.now(), "speed": self._world.clock.speed}

    def cpu(self) -> Answer:
        journal = self._world.journal
        return {
            "process_seconds": time.process_time(),
            "handling_seconds": journal.handling_seconds,
            "calls": journal.calls,
        }

    async def requests(self, request: Request) -> Response:
        since = int(request.query_params.get("since", "0"))
        return JSONResponse([asdict(entry) for entry in self._world.journal.since(since)])

    def clear_requests(self) -> Answer:
        self._world.journal.clear()
        return {}

    def advance(self, body: Answer) -> Answer:
        self._world.clock.advance(float(body["seconds"]))
        self._world.settled()
        return self.clock()

    def script(self, body: Answer) -> Answer:
        if body["outcome"] == SYSTEM_UPDATE:
            return {"endpoints": self._system_update(body["endpoint"], body.get("seconds"))}
        self._world.settled()
        change = body.get("on")
        self._world.scripts.add(
            Script(
                endpoint=body["endpoint"],
                outcome=Outcome(body["outcome"]),
                times=body.get("times", 1),
                on=Change(change) if change else None,
                seconds=body.get("seconds"),
            )
        )
        return {}

    def faults(self, body: Answer) -> Answer:
        for fault in body.get("add", ()):
            _check("a fault", fault, ("kind",), _FAULT)
        made = [Fault(**{**fault, "kind": FaultKind(fault["kind"])}) for fault in body.get("add", ())]
        if body.get("clear"):
            self._world.faults.clear()
        if "seed" in body:
            self._world.faults.seed(body["seed"])
        for fault in made:
            self._world.faults.add(fault)
        return {}

    def outage(self, body: Answer) -> Answer:
        """Begin the outage of a region, or end it if the kind is null."""
        if body["kind"] is None:
            self._world.outages.end(body["region"])
        else:
            self._world.outages.begin(body["region"], Outage(body["kind"]))
        return {}

    def credentials(self, body: Answer) -> Answer:
        """Let all existing access keys expire, or make them valid again."""
        if body["expired"]:
            self._world.expire_credentials()
        else:
            self._world.renew_credentials()
        return {}

    def status(self, body: Answer) -> Answer:
        """Let an endpoint show an EndpointStatus, or its real one if the status is null."""
        name, status, now = body["endpoint"], body["status"], self._world.clock.now()
        found = [
            (region, endpoint)
            for region in self._world.settled()
            if (endpoint := region.endpoints.get(name.lower())) is not None
        ]
        if not found:
            raise ValueError(f"endpoint {name}: there is none in any region")
        for region, endpoint in found:
            region.put(lifecycle.force(endpoint, status, now))
        return {}

    def policy(self, body: Answer) -> Answer:
        """From now on, limit an access key to what a policy allows."""
        self._world.policies[body["access_key"]] = iam.read(body["document"])
        return {}

    def cluster(self, body: Answer) -> Answer:
        """Give EKS the name of its cluster and the issuer of its service account tokens."""
        self._cluster.name, self._cluster.issuer = str(body["name"]), str(body["issuer"])
        return {}

    def settings(self, body: Answer) -> Answer:
        world = self._world
        # Steps that were due before have to happen under the earlier conditions.
        world.settled()
        world.durations = world.durations.changed(body.get("durations", {}))
        world.quotas.update(body.get("quotas", {}))
        world.consistency_delay = float(body.get("consistency_delay", world.consistency_delay))
        world.scalable_targets_quota = int(body.get("scalable_targets_quota", world.scalable_targets_quota))
        window = body.get("concurrent_update_seconds", world.concurrent_update_seconds)
        world.concurrent_update_seconds = float(window)
        world.unreadable_model_data = tuple(body.get("unreadable_model_data", world.unreadable_model_data))
        world.missing_images = tuple(body.get("missing_images", world.missing_images))
        return {}

    def load(self, body: Answer) -> Answer:
        self._world.load(**body)
        return {}

    def metrics(self, body: Answer) -> Answer:
        value = body["value"]
        number = None if value is None else float(value)
        self._world.metric(body["namespace"], body["metricName"], number, body.get("dimensions", {}))
        return {}

    def reset(self) -> Answer:
        self._world.reset()
        self._cluster.reset()
        self._reset_others()
        return {}

    def _system_update(self, name: str, seconds: float | None) -> list[str]:
        now = self._world.clock.now()
        duration = self._world.durations.system_update if seconds is None else seconds
        updated = []
        for region in self._world.settled():
            for endpoint in list(region.endpoints.values()):
                if endpoint.status is Status.IN_SERVICE and name.lower() in ("*", endpoint.name.lower()):
                    region.put(lifecycle.system_update(endpoint, now, duration))
                    updated.append(endpoint.arn)
        return updated


def _region(region: Region) -> Answer:
    return {
        "account": region.account,
        "region": region.region,
        "models": {model.name: model.body for model in region.models.values()},
        "endpoint_configs": {config.name: config.body for config in region.configs.values()},
        "endpoints": {endpoint.name: description(endpoint) for endpoint in region.endpoints.values()},
        "tags": {arn: tags for arn, tags in region.tags.items() if tags},
        "instances": {name: count for name, count in region.instances.items() if count},
        "scalable_targets": {target.resource_id: asdict(target) for target in region.scaling.targets.values()},
        "scaling_activities": [asdict(activity) for activity in region.scaling.activities.newest_first()],
    }
