"""The annotation tgi-operator.dev/requestedAt requests one more observation, and one more attempt."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from simulation.amazon import DENIED, NO_IMAGE, UNREACHABLE, Fault
from simulation.simulation import ENDPOINT, PODS, SPEC, Simulation
from simulation.test_stories import LONG, NEW, arn_of, is_stalled, tags
from tgi_operator.api.identifiers import MOST_ANNOTATION
from tgi_operator.backends.sagemaker.desired import names
from tgi_sandbox.aws.lifecycle import Outcome

CACHED = {**PODS, "inCluster": {"gpu": {"count": 1}, "cache": {"size": "100Gi"}}}


def handled(simulation: Simulation, value: str) -> Callable[[], bool]:
    """Return whether the status answers a request."""
    return lambda: simulation.status().get("lastHandledRequest") == value


@pytest.mark.parametrize("spec", [SPEC, PODS], ids=["SageMaker", "pods"])
def test_a_request_is_answered_once_and_changes_nothing_else(simulation: Simulation, spec: Mapping[str, Any]) -> None:
    simulation.apply(spec)
    simulation.run_until(simulation.is_ready, within=900)
    simulation.run(60)
    before, writes = simulation.status(), simulation.writes
    calls = len(simulation.amazon.calls)
    simulation.annotate(requestedAt="1")
    simulation.run_until(handled(simulation, "1"), within=10)
    after = simulation.status()
    assert {name: value for name, value in after.items() if name != "lastHandledRequest"} == before
    assert simulation.amazon.changes(calls) == []
    calls = len(simulation.amazon.calls)
    simulation.annotate(requestedAt="1")
    simulation.annotate(team="nlp")
    simulation.run(20)
    assert simulation.writes == writes + 1
    assert simulation.amazon.made("DescribeEndpoint", since=calls) == []


def test_a_request_finds_what_no_list_shows(serving: Simulation) -> None:
    serving.run(60)
    serving.aws("DeleteTags", ResourceArn=arn_of(serving, "endpoint"), TagKeys=[names.TAG_NAME])
    serving.aws("DeleteTags", ResourceArn=arn_of(serving, "model"), TagKeys=[names.TAG_NAME])
    serving.annotate(requestedAt="now")
    serving.run_until(lambda: names.TAG_NAME in tags(serving, arn_of(serving, "model")), within=15)
    assert names.TAG_NAME in tags(serving)


def test_a_request_waits_for_aws_to_be_readable(serving: Simulation) -> None:
    with serving.amazon.failing(UNREACHABLE):
        serving.run(300)
        serving.annotate(requestedAt="1")
        serving.run(600)
        assert "lastHandledRequest" not in serving.status()
    serving.run_until(handled(serving, "1"), within=60)


@pytest.mark.parametrize("length", [MOST_ANNOTATION, MOST_ANNOTATION + 1, 200_000])
def test_a_long_value_counts_once_too(serving: Simulation, length: int) -> None:
    serving.annotate(requestedAt="x" * length)
    serving.run_until(lambda: "lastHandledRequest" in serving.status(), within=10)
    writes = serving.writes
    serving.run(25)
    assert serving.writes == writes
    assert len(serving.status()["lastHandledRequest"]) == MOST_ANNOTATION


@dataclass(frozen=True)
class Failure:
    """A failure that is remembered: how it begins and ends, and the attempt that a request causes."""

    reason: str
    attempt: str
    begin: Callable[[Simulation], object]
    end: Callable[[Simulation], object]
    serving: bool = False


def refusal(reason: str, fault: Fault, operation: str) -> Failure:
    """Return the failure "AWS refuses an operation"."""
    return Failure(reason, operation, lambda s: s.amazon.fail(fault, operation), lambda s: s.amazon.mend(operation))


def no_quota(simulation: Simulation) -> None:
    simulation.world.quotas = {"ml.g5.12xlarge": 0}


def outcome(reason: str, how: Outcome, attempt: str = "CreateEndpoint", *, serving: bool = False) -> Failure:
    """Return the failure "the change ends with this outcome, whenever it is tried"."""
    return Failure(reason, attempt, lambda s: s.script(how, times=None), lambda s: s.world.scripts.clear(), serving)


FAILURES = {
    "quota": Failure("QuotaExceeded", "CreateEndpoint", no_quota, lambda s: s.world.quotas.clear()),
    "capacity": outcome("InsufficientCapacity", Outcome.NO_CAPACITY),
    "image": refusal("ImageNotFound", NO_IMAGE, "CreateModel"),
    "permission": refusal("AccessDenied", DENIED, "CreateModel"),
    "container": outcome("ContainerNotHealthy", Outcome.PING_FAILURE),
    "rolled back": outcome("ContainerNotHealthy", Outcome.PING_FAILURE, "UpdateEndpoint", serving=True),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_request_tries_a_remembered_failure_again_at_once(simulation: Simulation, failure: Failure) -> None:
    if failure.serving:
        simulation.apply(SPEC)
        simulation.run_until(simulation.is_ready, within=600)
    failure.begin(simulation)
    simulation.apply(NEW)
    simulation.run_until(lambda: "lastFailure" in simulation.status(), within=7200)
    failure.end(simulation)
    simulation.run(10)
    attempts = len(simulation.amazon.attempted(failure.attempt))
    simulation.annotate(requestedAt="again")
    # AWS deletes a failed endpoint first.
    deletes = 90 if simulation.endpoint() is not None and not failure.serving else 0
    simulation.run_until(lambda: len(simulation.amazon.attempted(failure.attempt)) > attempts, within=5 + deletes)
    assert handled(simulation, "again")()
    simulation.run_until(simulation.is_ready, within=900)


def test_a_request_tries_a_failure_that_is_final_once(serving: Simulation) -> None:
    serving.script(Outcome.PING_FAILURE, times=None)
    serving.apply(NEW)
    serving.run_until(lambda: is_stalled(serving, "ContainerNotHealthy"), within=7200)
    serving.annotate(requestedAt="again")
    serving.run(LONG)
    assert serving.amazon.made("UpdateEndpoint") == ["UpdateEndpoint"] * 2
    assert is_stalled(serving, "ContainerNotHealthy")


def test_a_request_fetches_weights_again_whose_job_failed(simulation: Simulation) -> None:
    simulation.workloads.change(fetch=(3, "Repository not found"))
    simulation.apply(CACHED)
    simulation.run_until(lambda: is_stalled(simulation, "ModelDownloadFailed"), within=3600)
    assert "requestedAt" in simulation.condition("Ready")["message"]
    simulation.workloads.change(fetch=None)
    simulation.run(600)
    assert is_stalled(simulation, "ModelDownloadFailed"), "nobody asked for another attempt"
    simulation.annotate(requestedAt="again")
    simulation.run_until(simulation.is_ready, within=1800)
    assert handled(simulation, "again")()


def test_a_request_and_a_new_rendering_are_two_things(serving: Simulation) -> None:
    serving.annotate(requestedAt="1")
    serving.run(120)
    assert serving.amazon.made("UpdateEndpoint") == []
    revision = serving.status()["currentRevision"]
    serving.annotate(render="1")
    serving.run(900)
    assert serving.status()["currentRevision"] == revision, "this version renders the spec as before"
    assert serving.endpoint(ENDPOINT) is not None
