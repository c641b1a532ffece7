"""kill -9 at any request, mixed with actions of users, AWS and others: the final state is always correct."""

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from simulation.simulation import ENDPOINT, PODS, SPEC, Simulation
from simulation.test_scaling import bounds, load, target
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.backends.sagemaker.desired.scaling_policies import addressed
from tgi_sandbox.aws.lifecycle import Outcome

TERMINAL = (Outcome.PING_FAILURE, Outcome.CANNOT_START, Outcome.ROLLBACK, Outcome.ROLLBACK_FAILED)
PASSING = (Outcome.NO_CAPACITY, Outcome.INTERNAL_ERROR)

KILLS = 0
"""How often the operator was killed in all examples together."""


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("kill_at", range(1, 17))
@pytest.mark.parametrize("spec", [SPEC, PODS], ids=["SageMaker", "pods"])
def test_a_life_ends_well_though_the_operator_is_killed_at_any_request(
    simulation: Simulation, spec: dict[str, Any], kill_at: int, after_effect: bool
) -> None:
    for change in (spec, {**spec, "runtime": {"maxTotalTokens": 2048}}):
        simulation.kill_at(kill_at, after_effect=after_effect)
        simulation.apply(change)
        simulation.run(30)
        simulation.run_until(simulation.is_ready, within=900)
    simulation.kill_at(kill_at, after_effect=after_effect)
    simulation.delete()
    simulation.run_until(simulation.is_gone, within=600)
    simulation.run(30)
    assert simulation.leftovers() == []
    assert not simulation.server.objects["pods"]
    assert simulation.world.violations == []
    assert simulation.kills >= 1


class Life(RuleBasedStateMachine):
    """A resource's life."""

    def __init__(self) -> None:
        super().__init__()
        self.simulation = Simulation()

    @initialize()
    def create(self) -> None:
        """Apply the resource for the first time."""
        self.simulation.apply(SPEC)

    @property
    def alive(self) -> bool:
        """Whether the resource exists and is not being deleted."""
        simulation = self.simulation
        return not simulation.is_gone() and "deletionTimestamp" not in simulation.body()["metadata"]

    @rule(
        tokens=st.sampled_from([2048, 4096]),
        replicas=st.sampled_from([None, 1, 3, (1, 4), (2, 3)]),
        valid=st.integers(0, 5),
        instance_type=st.sampled_from(["ml.g5.12xlarge", "ml.g5.12xlarge", "ml.g5.48xlarge"]),
    )
    @precondition(lambda self: self.alive)
    def change_spec(
        self, tokens: int, replicas: int | tuple[int, int] | None, valid: int, instance_type: str = "ml.g5.12xlarge"
    ) -> None:
        """Apply another spec, one in six of them invalid; two replicas are the bounds of autoscaling."""
        spec: dict[str, Any] = {**copy.deepcopy(dict(SPEC)), "runtime": {"maxTotalTokens": tokens}}
        spec["sageMaker"]["instanceType"] = instance_type
        if isinstance(replicas, tuple):
            spec["autoscaling"] = {"minReplicas": replicas[0], "maxReplicas": replicas[1]}
        elif replicas is not None:
            spec["replicas"] = replicas
        if valid == 0:
            spec["runtime"]["numShard"] = 8
        self.simulation.apply(spec)

    @rule(outcome=st.sampled_from([*TERMINAL, *PASSING]))
    def decide_the_next_change(self, outcome: Outcome) -> None:
        """Let AWS fail the next change."""
        self.simulation.script(outcome)

    @rule(seconds=st.sampled_from([1, 30, 120, 300, 2000]))
    def let_time_pass(self, seconds: int) -> None:
        """Advance time."""
        self.simulation.run(seconds)

    @rule(call=st.integers(1, 12), after_effect=st.booleans())
    def kill(self, call: int, after_effect: bool) -> None:
        """Kill the operator at its n-th request, before or after that had its effect; another one starts."""
        global KILLS  # noqa: PLW0603 - counts over all examples
        before = self.simulation.kills
        self.simulation.kill_at(call, after_effect=after_effect)
        self.simulation.run(40)
        KILLS += self.simulation.kills - before

    @rule(tokens=st.sampled_from([2048, 4096]), call=st.integers(1, 10), after_effect=st.booleans())
    @precondition(lambda self: self.alive)
    def kill_in_a_change(self, tokens: int, call: int, after_effect: bool) -> None:
        """Change the spec, and kill the operator during the rollout."""
        self.change_spec(tokens, None, 1)
        self.kill(call, after_effect)

    @rule(requests=st.sampled_from([None, 8, 30]))
    def let_requests_come(self, requests: int | None) -> None:
        """Let so many requests be in flight at the endpoint from now on."""
        load(self.simulation, requests)

    @rule()
    def lose_the_watches_for_a_while(self) -> None:
        """Let all watches break and connect again."""
        self.simulation.cut_watches()
        self.simulation.run(20)
        self.simulation.connect_watches()

    @rule()
    def end_scaling_as_another_user(self) -> None:
        """Deregister the scalable target."""
        if target(self.simulation) is not None:
            self.simulation.aws("DeregisterScalableTarget", **addressed(ENDPOINT))

    @rule()
    def cut_a_connection(self) -> None:
        """Let the answer to the next change get lost."""
        self.simulation.amazon.cut = 1

    @rule()
    def delete_the_endpoint_as_another_user(self) -> None:
        """Delete the endpoint, if AWS allows it."""
        endpoint = self.simulation.endpoint()
        if endpoint is not None and endpoint["EndpointStatus"] in ("InService", "Failed"):
            self.simulation.aws("DeleteEndpoint", EndpointName=ENDPOINT)

    @rule()
    def take_the_tags_away(self) -> None:
        """Remove all tags of the endpoint."""
        endpoint = self.simulation.endpoint()
        if endpoint is not None and endpoint["EndpointStatus"] == "InService" and self.is_known(endpoint):
            tags = self.simulation.aws("ListTags", ResourceArn=endpoint["EndpointArn"])["Tags"]
            if tags:
                keys = [tag["Key"] for tag in tags]
                self.simulation.aws("DeleteTags", ResourceArn=endpoint["EndpointArn"], TagKeys=keys)

    def is_known(self, endpoint: dict[str, Any]) -> bool:
        """Return whether the status shows that the endpoint was recognized as ours, and runs a revision of ours."""
        seen = {} if self.simulation.is_gone() else self.simulation.status().get("sageMaker") or {}
        revision = names.revision_of(ENDPOINT, endpoint["EndpointConfigName"])
        return seen.get("endpointARN") == endpoint["EndpointArn"] and revision in seen["revisions"]

    @rule()
    @precondition(lambda self: self.alive and self.simulation.kills >= 3)
    def delete_the_resource(self) -> None:
        """Delete the TGIEndpoint."""
        self.simulation.delete()

    @invariant()
    def nothing_in_use_was_deleted(self) -> None:
        """AWS would have allowed such a deletion."""
        assert self.simulation.world.violations == []

    @invariant()
    def no_update_was_refused_because_of_a_scalable_target(self) -> None:
        """The operator could have predicted the refusal."""
        refused = [text for _, text in self.simulation.amazon.refusals if "registered with Application Auto" in text]
        assert refused == []

    @invariant()
    def ready_is_true(self) -> None:
        """Ready of this generation means that one revision is wanted and serves."""
        if self.simulation.is_ready():
            status = self.simulation.status()
            assert status["currentRevision"] == status["updateRevision"]

    def teardown(self) -> None:
        """Let it settle: it serves, or reports why a user must act; and after its deletion nothing is left."""
        simulation = self.simulation
        try:
            simulation.amazon.cut = 0
            simulation.world.scripts.clear()
            if self.alive:
                simulation.run_until(lambda: simulation.is_ready() or simulation.condition("Stalled"), within=4 * 3600)
                simulation.run(600)
                self.check_settled()
                simulation.delete()
            simulation.run_until(simulation.is_gone, within=2 * 3600)
            simulation.run(60)
            assert simulation.leftovers() == []
            assert target(simulation) is None
        finally:
            simulation.close()

    def check_settled(self) -> None:
        """Check that it is Ready with one set, or Stalled with the failed revision in its status."""
        simulation = self.simulation
        if simulation.is_ready():
            endpoint = simulation.endpoint()
            assert endpoint is not None
            assert endpoint["EndpointStatus"] == "InService"
            assert len(simulation.leftovers()) == 3
            self.check_scaling()
            assert simulation.body()["spec"].get("replicas") in (None, simulation.status()["readyReplicas"])
            tags = names.from_list(simulation.aws("ListTags", ResourceArn=endpoint["EndpointArn"])["Tags"])
            assert names.TAG_UID in tags
            return
        stalled = simulation.condition("Stalled")
        assert stalled, simulation.summary()
        if stalled["reason"] != "InvalidNumShard":
            failed = simulation.status()["lastFailure"]["revision"]
            before = len(simulation.amazon.attempted("CreateEndpoint", "UpdateEndpoint"))
            simulation.run(1800)
            after = len(simulation.amazon.attempted("CreateEndpoint", "UpdateEndpoint"))
            assert after == before, f"{failed} was tried again"

    def check_scaling(self) -> None:
        """Check that a scalable target with the right bounds exists, or none."""
        simulation = self.simulation
        wanted, found = simulation.body()["spec"].get("autoscaling"), target(simulation)
        if wanted is None:
            assert found is None
            return
        assert found is not None
        assert bounds(simulation) == (wanted["minReplicas"], wanted["maxReplicas"])
        assert list(found.policies) == ["tgi-operator-ConcurrentRequests"]
        assert found.least <= simulation.status()["readyReplicas"] <= found.most
        assert simulation.condition("ScalingActive")["status"] == "True"


TestLife = pytest.mark.timeout(600)(Life.TestCase)
TestLife.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


def test_the_operator_was_killed_at_least_a_hundred_times() -> None:
    """The runs above are only meaningful if they kill the operator."""
    assert KILLS >= 100, f"{KILLS}: raise max_examples; each change of the source leads to other examples"
