"""A client of the emulator's control API, based on the standard library only."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Json: TypeAlias = Mapping[str, Any] | Sequence[Any] | str | float | bool | None


@dataclass(frozen=True)
class Request:
    """One AWS call that the emulator has answered; `outcome` is `OK`, an error code, `cut` or `held`."""

    seq: int
    time: float
    service: str
    operation: str
    account: str
    region: str
    name: str
    outcome: str
    access_key: str


class Control:
    """The control API of an emulator at an address such as `http://127.0.0.1:4566`.

    Every method raises urllib.error.HTTPError if the emulator refuses the request.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def state(self) -> dict[str, Any]:
        """Return all: regions (models, endpoint_configs, endpoints, scalable_targets…), load, violations, logs…"""
        return self._call("GET", "state")

    def endpoint(self, name: str) -> dict[str, Any] | None:
        """Return the endpoint of that name in any region, in the format of DescribeEndpoint."""
        found = (region["endpoints"].get(name) for region in self.state()["regions"])
        return next((endpoint for endpoint in found if endpoint), None)

    def violations(self) -> list[dict[str, Any]]:
        """Return what AWS has allowed against its own documentation, such as `deleted-in-use`."""
        return list(self.state()["violations"])

    def logs(self, endpoint_arn: str) -> list[str]:
        """Return the log lines of the containers of an endpoint."""
        return list(self.state()["logs"].get(endpoint_arn, ()))

    def now(self) -> float:
        """Return the virtual time, in seconds since the epoch."""
        return float(self._call("GET", "clock")["now"])

    def advance(self, seconds: float) -> None:
        """Advance virtual time."""
        self._call("POST", "advance", seconds=seconds)

    def script(
        self,
        endpoint: str,
        outcome: str,
        *,
        times: int | None = 1,
        on: str | None = None,
        seconds: float | None = None,
    ) -> None:
        """Set how the next changes of an endpoint (or `*`) end; `times=None` has no limit.

        Outcomes: ok, ping_failure, cannot_start, no_capacity, quota, rollback, rollback_failed, internal_error, and
        system_update, which starts immediately. `on` is create, update or scale.
        """
        self._call("POST", "script", endpoint=endpoint, outcome=outcome, times=times, on=on, seconds=seconds)

    def throttle(
        self, operation: str = "*", *, probability: float = 1.0, times: int | None = None, name: str = "*"
    ) -> None:
        """Answer the next calls, or a share of all calls, with ThrottlingException."""
        self.fault("throttle", operation=operation, probability=probability, times=times, name=name)

    def deny(self, operation: str, *, times: int | None = None, name: str = "*") -> None:
        """Answer with AccessDeniedException."""
        self.fault("deny", operation=operation, times=times, name=name)

    def fail(
        self, operation: str, code: str, message: str, *, times: int | None = 1, name: str = "*", status: int = 400
    ) -> None:
        """Answer with any error."""
        self.fault("error", operation=operation, code=code, message=message, times=times, name=name, status=status)

    def cut(
        self,
        operation: str = "*",
        *,
        after_effect: bool = True,
        times: int | None = 1,
        probability: float = 1.0,
        name: str = "*",
    ) -> None:
        """Close connections without a response, either after the call has taken effect or before."""
        kind = "cut_after_effect" if after_effect else "cut_before_effect"
        self.fault(kind, operation=operation, times=times, probability=probability, name=name)

    def delay(self, seconds: float, operation: str = "*", *, times: int | None = None) -> None:
        """Delay calls by real seconds."""
        self.fault("latency", operation=operation, seconds=seconds, times=times)

    def fault(self, kind: str, **fault: Json) -> None:
        """Add a fault; see tgi_sandbox.aws.faults.Fault for its fields."""
        self._call("POST", "faults", add=[{"kind": kind, **fault}])

    def clear_faults(self) -> None:
        """Remove every fault."""
        self._call("POST", "faults", clear=True)

    def outage(self, region: str, kind: str) -> None:
        """Begin an outage of all services in a region; other regions are not affected.

        Kinds: hang (no answer until the client gives up), refuse (closes the connection unanswered), and
        unavailable (503).
        """
        self._call("POST", "outage", region=region, kind=kind)

    def end_outage(self, region: str) -> None:
        """End the outage of a region."""
        self._call("POST", "outage", region=region, kind=None)

    def expire_credentials(self) -> None:
        """Answer every existing access key with ExpiredTokenException; sessions that STS issues later are valid."""
        self._call("POST", "credentials", expired=True)

    def renew_credentials(self) -> None:
        """Make every access key valid again."""
        self._call("POST", "credentials", expired=False)

    def force_status(self, endpoint: str, status: str | None) -> None:
        """Let an endpoint show any EndpointStatus until it is changed or deleted; None: its real one again."""
        self._call("POST", "status", endpoint=endpoint, status=status)

    def unreadable_model_data(self, *prefixes: str) -> None:
        """Refuse CreateModel for data at S3 URLs with one of these prefixes; no prefixes: all data can be read."""
        self._call("POST", "settings", unreadable_model_data=prefixes)

    def missing_images(self, *prefixes: str) -> None:
        """Refuse CreateModel for images with one of these prefixes; no prefixes: all images exist."""
        self._call("POST", "settings", missing_images=prefixes)

    def policy(self, access_key: str, document: Mapping[str, Any]) -> None:
        """Limit an access key to what an IAM policy allows; keys without a policy can do everything."""
        self._call("POST", "policy", access_key=access_key, document=document)

    def cluster(self, name: str, issuer: str) -> None:
        """Give EKS the name of its cluster, and the URL of the issuer of its service account tokens."""
        self._call("POST", "cluster", name=name, issuer=issuer)

    def allowed(self, access_key: str) -> set[str]:
        """Return the actions that an access key has requested and its policy has allowed."""
        return set(self.state()["allowed"].get(access_key, ()))

    def seed(self, seed: int) -> None:
        """Make the random choices of faults repeatable."""
        self._call("POST", "faults", seed=seed)

    def durations(self, **seconds: float) -> None:
        """Change how long operations take, in virtual seconds: create, update, scale, delete, ping_failure…"""
        self._call("POST", "settings", durations=seconds)

    def quota(self, instance_type: str, instances: int) -> None:
        """Limit the instances of a type in each account and region."""
        self._call("POST", "settings", quotas={instance_type: instances})

    def consistency_delay(self, seconds: float) -> None:
        """Make models, configurations and the parts of scalable targets visible only after virtual seconds."""
        self._call("POST", "settings", consistency_delay=seconds)

    def scalable_targets(self, targets: int) -> None:
        """Limit the number of scalable targets."""
        self._call("POST", "settings", scalable_targets_quota=targets)

    def concurrent_updates(self, seconds: float) -> None:
        """Refuse a change of a scalable target that comes within so many virtual seconds after another one."""
        self._call("POST", "settings", concurrent_update_seconds=seconds)

    def load(self, endpoint: str, **load: float | None) -> None:
        """Simulate `concurrentRequests` or `invocationsPerMinute` of an endpoint beside the real ones; None ends it."""
        self._call("POST", "load", endpoint=endpoint, **load)

    def metric(
        self, namespace: str, metric_name: str, value: float | None, dimensions: Mapping[str, str] | None = None
    ) -> None:
        """Give a CloudWatch metric a value; None: no data."""
        body = {"namespace": namespace, "metricName": metric_name, "dimensions": dimensions or {}, "value": value}
        self._call("POST", "metrics", **body)

    def scaling(self, name: str) -> dict[str, Any] | None:
        """Return the scalable target of an endpoint, None if there is none."""
        found = (region["scalable_targets"] for region in self.state()["regions"])
        return next((target for targets in found for target in targets.values() if target["endpoint"] == name), None)

    def requests(self, since: int = 0) -> list[Request]:
        """Return the AWS calls after a sequence number, in order."""
        entries: Any = self._call("GET", f"requests?since={since}")
        return [Request(**entry) for entry in entries]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the counts of AWS calls by operation and outcome."""
        return self._call("GET", "requests/counts")

    def clear_requests(self) -> None:
        """Clear the recorded calls and counts."""
        self._call("POST", "requests/clear")

    def cpu(self) -> dict[str, float]:
        """Return the emulator's CPU time, the seconds spent in SageMaker calls, and the number of calls."""
        return self._call("GET", "cpu")

    def reset(self) -> None:
        """Reset the emulator; its time continues."""
        self._call("POST", "reset")

    def _call(self, method: str, path: str, **body: Json) -> dict[str, Any]:
        data = json.dumps(body).encode() if method == "POST" else None
        request = urllib.request.Request(f"{self.address}/_sandbox/{path}", data=data, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - always http on loopback
            answer: dict[str, Any] = json.load(response)
        return answer
