"""The process is killed, connections are cut, AWS throttles: the result is the same, without duplicates."""

import random
import signal
import time

import pytest

from e2e.conftest import FALCON, Cloud, until

pytestmark = pytest.mark.installation("sageMaker")

NAMES = [f"falcon-{number}" for number in range(6)]


def settled(cloud: Cloud) -> bool:
    """Return whether all resources are ready."""
    return all(cloud.condition(name, "Ready").get("status") == "True" for name in NAMES)


def check_exactly_one_of_each(cloud: Cloud) -> None:
    """Check that each resource has one endpoint, one configuration and one model."""
    for name in NAMES:
        cloud.wait_ready(name)
    until(lambda: len(cloud.leftovers()) == 3 * len(NAMES), lambda: str(cloud.leftovers()), 20)


def check_done_once(cloud: Cloud, operation: str) -> None:
    """Check that AWS accepted a call at most once for each resource."""
    for name in NAMES:
        calls = [request for request in cloud.requests() if request.name.startswith(f"{cloud.namespace}-{name}")]
        accepted = [request for request in calls if (request.operation, request.outcome) == (operation, "OK")]
        assert len(accepted) <= 1, "\n".join(f"{call.time:.1f} {call.operation} {call.outcome}" for call in calls)


def kill(cloud: Cloud, chance: random.Random) -> None:
    """Kill the operator at some moments; the simulation does so at each call."""
    for _ in range(3):
        time.sleep(chance.uniform(0.05, 1.2))
        cloud.operator.process.signal(signal.SIGKILL)
        cloud.operator.process.wait(10)
        cloud.operator.start()


def test_kill_dash_nine_at_random_moments(cloud: Cloud) -> None:
    chance = random.Random(7)  # noqa: S311 - repeatable
    for name in NAMES:
        cloud.apply(name, FALCON)
    kill(cloud, chance)
    check_exactly_one_of_each(cloud)
    for number, name in enumerate(NAMES):
        cloud.apply(name, {**FALCON, "runtime": {"maxTotalTokens": 2048 + number}})
    kill(cloud, chance)
    check_exactly_one_of_each(cloud)
    # An answer that a killed process did not read still counts as a success for AWS.
    check_done_once(cloud, "CreateEndpoint")
    check_done_once(cloud, "UpdateEndpoint")


def test_throttling_and_cut_connections(cloud: Cloud) -> None:
    cloud.control.seed(11)
    cloud.control.throttle(probability=0.2)
    cloud.control.cut("CreateEndpoint", times=2)
    cloud.control.cut("CreateModel", times=2)
    cloud.control.cut("UpdateEndpoint", times=2)
    for name in NAMES:
        cloud.apply(name, FALCON)
    check_exactly_one_of_each(cloud)
    for name in NAMES:
        cloud.apply(name, {**FALCON, "runtime": {"maxTotalTokens": 2048}})
    check_exactly_one_of_each(cloud)
    # A cut answer does not count as a success, and nothing succeeds twice.
    check_done_once(cloud, "CreateEndpoint")
    check_done_once(cloud, "UpdateEndpoint")
    for name in NAMES:
        cloud.kubectl("delete", "tgi", name, "--wait=false")
    until(lambda: cloud.objects("tgiendpoints") == [], lambda: "not all are gone", 60)


def test_a_restart_changes_nothing_and_writes_nothing(cloud: Cloud) -> None:
    for name in NAMES:
        cloud.apply(name, FALCON)
    check_exactly_one_of_each(cloud)
    versions = cloud.kubectl("get", "tgi", "-o", "jsonpath={.items[*].metadata.resourceVersion}")
    cloud.operator.process.signal(signal.SIGKILL)
    cloud.operator.process.wait(10)
    since = len(cloud.control.requests())
    cloud.operator.start()
    until(lambda: cloud.operator.metrics()["tgi_operator_queue_depth"] == 0, lambda: "the queue does not empty")
    time.sleep(3)
    after = {request.operation for request in cloud.control.requests(since)}
    assert not [operation for operation in after if not operation.startswith(("List", "Describe"))]
    assert cloud.kubectl("get", "tgi", "-o", "jsonpath={.items[*].metadata.resourceVersion}") == versions


def test_sigterm_ends_at_once(cloud: Cloud) -> None:
    # In its first second, kopf discovers the cluster's resources. SIGTERM then waits up to five seconds for that.
    cloud.apply("falcon-7b", FALCON)
    cloud.wait_reason("falcon-7b", "Reconciling", "Creating")
    started = time.monotonic()
    cloud.operator.process.stop(30)
    assert cloud.operator.process.returncode == 0
    assert time.monotonic() - started < 5
    cloud.operator.start()
