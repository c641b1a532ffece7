"""The results of `kubectl wait` and kstatus (Flux, Helm) at every moment of a resource's life."""

from collections.abc import Mapping
from typing import Any

import pytest

from e2e.conftest import FALCON, Cloud
from kstatus import kstatus, kubectl_wait

pytestmark = pytest.mark.installation("sageMaker")

NEW = {**FALCON, "runtime": {"maxTotalTokens": 2048}}


def serves_the_spec(cloud: Cloud, resource: Mapping[str, Any]) -> bool:
    """Return whether AWS has the configuration of this generation in service."""
    endpoint = cloud.endpoint("falcon-7b") or {}
    status = resource["status"]["sageMaker"]
    return (
        endpoint.get("EndpointStatus") == "InService" and endpoint["EndpointConfigName"] == status["endpointConfigName"]
    )


@pytest.mark.parametrize("outcome", ["ok", "rollback"])
def test_every_moment_of_create_and_update(cloud: Cloud, outcome: str) -> None:
    cloud.apply("falcon-7b", FALCON)
    seen = []
    for resource in cloud.moments("falcon-7b", 15):
        seen.append(kstatus(resource))
        assert kubectl_wait(resource) == (seen[-1] == "Current")
        if seen[-1] == "Current":
            assert serves_the_spec(cloud, resource)
            break
    assert seen[0] == "InProgress", "a new resource is never taken for current"
    assert seen[-1] == "Current"
    cloud.control.script(cloud.endpoint_name("falcon-7b"), outcome, on="update")
    cloud.apply("falcon-7b", NEW)
    seen = []
    for resource in cloud.moments("falcon-7b", 25):
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
