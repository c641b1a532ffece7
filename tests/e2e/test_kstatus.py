"""What `kubectl wait` and kstatus (Flux, Helm) conclude at every moment of a resource's life."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from e2e.conftest import FALCON, Cloud

NEW = {**FALCON, "runtime": {"maxTotalTokens": 2048}}


def kstatus(resource: Mapping[str, Any]) -> str:
    """Return what kstatus says (cli-utils pkg/kstatus/status/generic.go), rule by rule in its order."""
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


def moments(cloud: Cloud, seconds: float) -> Iterator[Mapping[str, Any]]:
    """Yield the resource again and again for a while, each time something changed."""
    path = f"/apis/tgi-operator.dev/v1alpha1/namespaces/{cloud.namespace}/tgiendpoints/falcon-7b"
    deadline, version = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        resource = cloud.plane.api.request("GET", path)
        if resource["metadata"]["resourceVersion"] != version:
            version = resource["metadata"]["resourceVersion"]
            yield resource
        time.sleep(0.01)


def serves_the_spec(cloud: Cloud, resource: Mapping[str, Any]) -> bool:
    """Return whether AWS has in service what this generation asks for."""
    endpoint = cloud.endpoint("falcon-7b") or {}
    status = resource["status"]["sageMaker"]
    return (
        endpoint.get("EndpointStatus") == "InService" and endpoint["EndpointConfigName"] == status["endpointConfigName"]
    )


@pytest.mark.parametrize("outcome", ["ok", "rollback"])
def test_every_moment_of_create_and_update(cloud: Cloud, outcome: str) -> None:
    cloud.apply("falcon-7b", FALCON)
    seen = []
    for resource in moments(cloud, 15):
        seen.append(kstatus(resource))
        assert kubectl_wait(resource) == (seen[-1] == "Current")
        if seen[-1] == "Current":
            assert serves_the_spec(cloud, resource)
            break
    assert seen[0] == "InProgress", "a new resource is never taken for current"
    assert seen[-1] == "Current"
    cloud.control.script(f"{cloud.namespace}-falcon-7b", outcome, on="update")
    cloud.apply("falcon-7b", NEW)
    seen = []
    for resource in moments(cloud, 25):
        seen.append(kstatus(resource))
        assert kubectl_wait(resource) == (seen[-1] == "Current")
        if seen[-1] != "InProgress":
            break
    assert seen[0] == "InProgress"
    assert seen[-1] == ("Current" if outcome == "ok" else "Failed")
    cloud.kubectl("delete", "tgi", "falcon-7b", "--wait=false")
    assert kstatus(cloud.get("falcon-7b")) == "Terminating"


def test_bad_input_fails_at_once_and_creates_nothing(cloud: Cloud) -> None:
    cloud.apply("falcon-7b", {**FALCON, "runtime": {"version": "9.9.9"}})
    cloud.wait_reason("falcon-7b", "Stalled", "UnknownVersion", seconds=10)
    assert kstatus(cloud.get("falcon-7b")) == "Failed"
    assert cloud.leftovers() == []
    assert not any(request.name.startswith(cloud.namespace) for request in cloud.control.requests())
