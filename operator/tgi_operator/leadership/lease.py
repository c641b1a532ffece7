"""The information that candidates share: the fields of a coordination.k8s.io/v1 Lease, as client-go uses them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

API_VERSION = "coordination.k8s.io/v1"
NAME = "tgi-operator"


@dataclass(frozen=True, slots=True)
class Record:
    """The content of the Lease. Its times are for people. Candidates only detect that it changed."""

    holder: str
    seconds: int
    acquired: str
    renewed: str
    transitions: int


def collection(namespace: str) -> str:
    """Return the API path of the Leases in a namespace."""
    return f"/apis/{API_VERSION}/namespaces/{namespace}/leases"


def record(body: Mapping[str, Any]) -> Record:
    """Return the content of a Lease."""
    spec = body.get("spec") or {}
    return Record(
        holder=spec.get("holderIdentity") or "",
        seconds=spec.get("leaseDurationSeconds") or 0,
        acquired=spec.get("acquireTime") or "",
        renewed=spec.get("renewTime") or "",
        transitions=spec.get("leaseTransitions") or 0,
    )


def body(content: Record, known: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the Lease with new content. Other fields in `known` stay the same, including its resourceVersion."""
    made = dict(known or {"apiVersion": API_VERSION, "kind": "Lease", "metadata": {"name": NAME}})
    made["spec"] = {
        **made.get("spec", {}),
        "holderIdentity": content.holder,
        "leaseDurationSeconds": content.seconds,
        "acquireTime": content.acquired,
        "renewTime": content.renewed,
        "leaseTransitions": content.transitions,
    }
    return made


def micro_time(wall: float) -> str:
    """Return a time as a Kubernetes MicroTime."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
