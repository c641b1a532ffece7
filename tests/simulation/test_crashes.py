"""kill -9 at any call, mixed with everything users, AWS and strangers do: it always ends where it should."""

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from simulation.harness import ENDPOINT, SPEC, Simulation
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.backends.sagemaker.desired.scaling_policies import addressed
from tgi_sandbox.aws.lifecycle import Outcome

TERMINAL = (Outcome.PING_FAILURE, Outcome.CANNOT_START, Outcome.ROLLBACK, Outcome.ROLLBACK_FAILED)
PASSING = (Outcome.NO_CAPACITY, Outcome.INTERNAL_ERROR)

KILLS = 0
"""How often the operator was killed in all examples together."""


class Life(RuleBasedStateMachine):
    """A resource's life. `bad` are the revisions whose change was scripted to fail for good."""

    def __init__(self) -> None:
        super().__init__()
        self.simulation = Simulation()

    @initialize()
    def create(self) -> None:
        """Apply the resource for the first time."""
        self.simulation.cluster.apply(SPEC)

    @property
    def alive(self) -> bool:
        """Whether the resource is there and not being deleted."""
        body = self.simulation.cluster.object
        return body is not None and "deletionTimestamp" not in body["metadata"]

    @rule(
        tokens=st.sampled_from([2048, 4096]),
        replicas=st.sampled_from([None, 1, 3, (1, 4), (2, 3)]),
        valid=st.integers(0, 5),
        instance_type=st.sampled_from(["ml.g5.12xlarge", "ml.g5.12xlarge", "ml.g5.48xlarge"]),
    )
    @precondition(lambda self: self.alive)
    def change_spec(
        self,
        tokens: int,
        replicas: int | tuple[int, int] | None,
        valid: int,
        instance_type: str = "ml.g5.12xlarge",
    ) -> None:
        """Apply another spec, one in six of them a bad one; two replicas are the bounds of autoscaling."""
        spec: dict[str, Any] = {**copy.deepcopy(dict(SPEC)), "runtime": {"maxTotalTokens": tokens}}
        spec["sageMaker"]["instanceType"] = instance_type
        if isinstance(replicas, tuple):
            spec["autoscaling"] = {"minReplicas": replicas[0], "maxReplicas": replicas[1]}
        elif replicas is not None:
            spec["replicas"] = replicas
        if valid == 0:
            spec["runtime"]["numShard"] = 8
        self.simulation.cluster.apply(spec)

    @rule(outcome=st.sampled_from([*TERMINAL, *PASSING]))
    def decide_the_next_change(self, outcome: Outcome) -> None:
        """Have AWS fail the next change."""
        self.simulation.script(outcome)

    @rule(seconds=st.sampled_from([1, 30, 120, 300, 2000]))
    def let_time_pass(self, seconds: int) -> None:
        """Let AWS go on."""
        self.simulation.world.clock.advance(seconds)

    @rule()
    def reconcile(self) -> None:
        """Let the operator work."""
        self.simulation.reconcile()

    @rule(call=st.integers(1, 4), after_effect=st.booleans())
    def kill_soon(self, call: int, after_effect: bool) -> None:
        """Kill the operator at one of its first calls."""
        self.kill(call, after_effect)

    @rule(call=st.integers(4, 12), after_effect=st.booleans())
    def kill_later(self, call: int, after_effect: bool) -> None:
        """Kill the operator in the midst of its steps."""
        self.kill(call, after_effect)

    @rule(tokens=st.sampled_from([2048, 4096]), call=st.integers(2, 8), after_effect=st.booleans())
    @precondition(lambda self: self.alive)
    def kill_in_a_change(self, tokens: int, call: int, after_effect: bool) -> None:
        """Change the spec, and kill the operator while it rolls that out."""
        self.change_spec(tokens, None, 1)
        self.kill(call, after_effect)

    def kill(self, call: int, after_effect: bool) -> None:
        """Kill the operator at its n-th call, before or after that had its effect; another one starts."""
        global KILLS  # noqa: PLW0603 - counts over all examples
        before = self.simulation.kills
        self.simulation.reconcile(kill_at=call, after_effect=after_effect, check=True)
        KILLS += self.simulation.kills - before

    @rule(requests=st.sampled_from([None, 8, 30]))
    def let_requests_come(self, requests: int | None) -> None:
        """Let so many requests be at the endpoint at any time."""
        self.simulation.load(requests)

    @rule()
    def end_scaling_by_hand(self) -> None:
        """Deregister the scalable target behind the operator's back."""
        if self.simulation.target() is not None:
            self.simulation.aws("DeregisterScalableTarget", **addressed(ENDPOINT))

    @rule()
    def cut_a_connection(self) -> None:
        """Have the answer to the next change get lost."""
        self.simulation.amazon.cut = 1

    @rule()
    def delete_the_endpoint_by_hand(self) -> None:
        """Delete the endpoint behind the operator's back, where AWS lets anybody."""
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
        """Whether the status tells that the endpoint was seen to be ours, and runs a revision of ours."""
        seen = ((self.simulation.cluster.object or {}).get("status", {})).get("sageMaker") or {}
        revision = names.revision_of(ENDPOINT, endpoint["EndpointConfigName"])
        return seen.get("endpointARN") == endpoint["EndpointArn"] and revision in seen["revisions"]

    @rule()
    @precondition(lambda self: self.alive and self.simulation.kills >= 3)
    def delete_the_resource(self) -> None:
        """Delete the TGIEndpoint."""
        self.simulation.cluster.delete()

    @invariant()
    def nothing_in_use_was_deleted(self) -> None:
        """AWS would have allowed it."""
        assert self.simulation.world.violations == []

    @invariant()
    def no_update_was_refused_because_of_a_scalable_target(self) -> None:
        """That could have been foreseen."""
        refused = [text for _, text in self.simulation.amazon.refusals if "registered with Application Auto" in text]
        assert refused == []

    @invariant()
    def ready_is_true(self) -> None:
        """Ready of this generation means that AWS runs what this generation wants, or ran it at the last look."""
        if self.simulation.is_ready():
            status = self.simulation.status
            assert status["currentRevision"] == status["updateRevision"]
            assert not self.simulation.condition("Stalled")

    def teardown(self) -> None:
        """Let it settle: it serves, or says why a person must act; and after its deletion nothing is left."""
        simulation = self.simulation
        simulation.amazon.cut = 0
        simulation.world.scripts.clear()
        simulation.settle(200)
        if not simulation.is_gone():
            self.check_settled()
            simulation.cluster.delete()
            simulation.settle(100)
        assert simulation.is_gone()
        assert simulation.leftovers() == []
        assert simulation.target() is None

    def check_scaling(self) -> None:
        """Check that there is a scalable target with the bounds wanted, or none."""
        simulation = self.simulation
        wanted, target = (simulation.cluster.object or {})["spec"].get("autoscaling"), simulation.target()
        if wanted is None:
            assert target is None
            return
        assert target is not None
        assert (target.least, target.most) == (wanted["minReplicas"], wanted["maxReplicas"])
        assert list(target.policies) == ["tgi-operator-ConcurrentRequests"]
        assert target.least <= simulation.status["readyReplicas"] <= target.most
        assert simulation.condition("ScalingActive")["status"] == "True"

    def check_settled(self) -> None:
        """Check that it is Ready with one set, or Stalled with what failed remembered."""
        simulation = self.simulation
        if simulation.is_ready():
            endpoint = simulation.endpoint()
            assert endpoint is not None
            assert endpoint["EndpointStatus"] == "InService"
            assert len(simulation.leftovers()) == 3
            self.check_scaling()
            wanted = (simulation.cluster.object or {})["spec"].get("replicas")
            assert wanted in (None, simulation.status["readyReplicas"])
            tags = names.from_list(simulation.aws("ListTags", ResourceArn=endpoint["EndpointArn"])["Tags"])
            assert names.TAG_UID in tags
            return
        stalled = simulation.condition("Stalled")
        assert stalled, simulation.status
        if stalled["reason"] != "InvalidNumShard":
            failed = simulation.status["lastFailure"]["revision"]
            before = len(simulation.asked("CreateEndpoint", "UpdateEndpoint"))
            simulation.settle(30)
            assert len(simulation.asked("CreateEndpoint", "UpdateEndpoint")) == before, f"{failed} was tried again"


TestLife = pytest.mark.timeout(600)(Life.TestCase)
TestLife.settings = settings(
    max_examples=50,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


def test_the_operator_was_killed_at_least_a_hundred_times() -> None:
    """The runs above are worth something only if they kill."""
    assert KILLS >= 100, KILLS
