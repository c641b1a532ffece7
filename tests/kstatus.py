"""The results of kstatus (Flux, Helm) and `kubectl wait` for a resource."""

from collections.abc import Mapping
from typing import Any


def kstatus(resource: Mapping[str, Any]) -> str:
    """Return the result of kstatus (cli-utils pkg/kstatus/status/generic.go), rule by rule in its order."""
    if "deletionTimestamp" in resource["metadata"]:
        return "Terminating"
    status = resource.get("status", {})
    if status.get("observedGeneration", resource["metadata"]["generation"]) != resource["metadata"]["generation"]:
        return "InProgress"
    for condition in status.get("conditions", ()):
        if condition["type"] == "Reconciling" and condition["status"] == "True":
            return "InProgress"
        if condition["type"] == "Stalled" and condition["status"] == "True":
            return "Failed"
    ready = next((c["status"] for c in status.get("conditions", ()) if c["type"] == "Ready"), "True")
    return "Current" if ready == "True" else "InProgress"


def kubectl_wait(resource: Mapping[str, Any]) -> bool:
    """Return whether `kubectl wait --for=condition=Ready` is satisfied (kubectl pkg/cmd/wait/condition.go)."""
    status = resource.get("status", {})
    ready = next((c for c in status.get("conditions", ()) if c["type"] == "Ready"), None)
    if ready is None:
        return False
    observed = ready.get("observedGeneration", status.get("observedGeneration"))
    return ready["status"] == "True" and (observed is None or observed >= resource["metadata"]["generation"])
