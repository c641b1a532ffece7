"""The endpoint state machine alone: after any sequence of events, it reaches a stable state and nothing leaks."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tgi_sandbox.aws import lifecycle
from tgi_sandbox.aws.clock import Clock
from tgi_sandbox.aws.errors import AwsError
from tgi_sandbox.aws.lifecycle import Deployment, Durations, Outcome, Status, Variant
from tgi_sandbox.aws.operations import OPERATIONS
from tgi_sandbox.aws.operations.call import Call
from tgi_sandbox.aws.outcomes import Script
from tgi_sandbox.aws.state import DEFAULT_INSTANCE_QUOTA
from tgi_sandbox.aws.world import World

NAMES = st.sampled_from(["a", "b"])
CONFIGS = st.sampled_from(["one", "two", "three"])
ROLE = "arn:aws:iam::111122223333:role/tgi-exec"
RESTING = set(Status) - lifecycle.IN_PROGRESS


def variant(count: int = 1) -> Variant:
    return Variant(
        name="AllTraffic",
        config={},
        model="m",
        container={},
        image_digest="",
        instance_type="ml.g5.xlarge",
        current_count=0,
        desired_count=count,
        current_weight=1.0,
        desired_weight=1.0,
    )


def test_nothing_happens_before_its_time() -> None:
    created = lifecycle.create("e", "arn", Deployment("c", (variant(),), 100.0), Outcome.OK, 10, "v")
    assert lifecycle.settle(created, 109.9) is created
    settled = lifecycle.settle(created, 110)
    assert settled is not None
    assert (settled.status, settled.modified, settled.steps) == (Status.IN_SERVICE, 110, ())
    assert lifecycle.settle(settled, 1e9) is settled


def test_steps_keep_their_own_times_when_several_are_due_at_once() -> None:
    created = lifecycle.create("e", "arn", Deployment("c", (variant(),), 0.0), Outcome.OK, 10, "v")
    running = lifecycle.settle(created, 10)
    assert running is not None
    wanted = (replace(running.variants[0], desired_count=4),)
    scaled = lifecycle.scale(running, wanted, Outcome.NO_CAPACITY, now=20, seconds=5, rollback=5)
    assert scaled.instances() == {"ml.g5.xlarge": 4}
    back = lifecycle.settle(scaled, 1000)
    assert back is not None
    assert (back.status, back.modified, back.variants[0].desired_count) == (Status.IN_SERVICE, 30, 1)


def test_durations_must_be_known_and_not_negative() -> None:
    assert Durations().changed({"create": 1}).create == 1
    for wrong in ({"nap": 1.0}, {"create": -1.0}):
        with pytest.raises(ValueError, match="no duration"):
            Durations().changed(wrong)


def test_time_moves_forward_only() -> None:
    clock = Clock(0)
    started = clock.now()
    clock.advance(5)
    assert clock.now() == started + 5
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="negative"):
        Clock(-1)
    assert Clock(1e6).now() > started


class Endpoints(RuleBasedStateMachine):
    """Any calls in any order at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(Clock(0))
        self.call(
            "CreateModel",
            ModelName="m",
            PrimaryContainer={"Image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/x:1"},
            ExecutionRoleArn=ROLE,
        )
        for number, name in enumerate(("one", "two", "three"), start=1):
            made = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.g5.xlarge"}
            self.call(
                "CreateEndpointConfig",
                EndpointConfigName=name,
                ProductionVariants=[{**made, "InitialInstanceCount": number}],
            )

    def call(self, operation: str, **request: object) -> dict[str, Any]:
        region = self.world.region("111122223333", "us-east-1")
        return OPERATIONS[operation](Call(self.world, region, self.world.clock.now()), request)

    @rule(name=NAMES, config=CONFIGS)
    def create(self, name: str, config: str) -> None:
        with contextlib.suppress(AwsError):
            self.call("CreateEndpoint", EndpointName=name, EndpointConfigName=config)
            assert self.status(name) is Status.CREATING

    @rule(name=NAMES, config=CONFIGS, retain=st.booleans())
    def update(self, name: str, config: str, retain: bool) -> None:
        with contextlib.suppress(AwsError):
            self.call("UpdateEndpoint", EndpointName=name, EndpointConfigName=config, RetainAllVariantProperties=retain)
            assert self.status(name) is Status.UPDATING

    @rule(name=NAMES, count=st.integers(0, 5))
    def scale(self, name: str, count: int) -> None:
        wanted = [{"VariantName": "v", "DesiredInstanceCount": count}]
        with contextlib.suppress(AwsError):
            self.call("UpdateEndpointWeightsAndCapacities", EndpointName=name, DesiredWeightsAndCapacities=wanted)
            assert self.status(name) is Status.UPDATING

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        with contextlib.suppress(AwsError):
            self.call("DeleteEndpoint", EndpointName=name)
            assert self.status(name) is Status.DELETING

    @rule(outcome=st.sampled_from(Outcome))
    def script(self, outcome: Outcome) -> None:
        self.world.scripts.add(Script("*", outcome))

    @rule(seconds=st.sampled_from([1, 60, 240, 2000]))
    def wait(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    def status(self, name: str) -> Status:
        return self.world.region("111122223333", "us-east-1").endpoint(name).status

    @invariant()
    def who_changes_has_steps_and_who_rests_has_none(self) -> None:
        for region in self.world.settled():
            for endpoint in region.endpoints.values():
                assert bool(endpoint.steps) == endpoint.in_progress
                assert (endpoint.pending is not None) <= endpoint.in_progress

    @invariant()
    def instances_are_those_of_the_endpoints(self) -> None:
        for region in self.world.settled():
            counted = sum(sum(endpoint.instances().values()) for endpoint in region.endpoints.values())
            assert region.instances.total() == counted
            assert 0 <= counted <= DEFAULT_INSTANCE_QUOTA

    @invariant()
    def failed_endpoints_say_why_and_run_nothing(self) -> None:
        for region in self.world.settled():
            for endpoint in region.endpoints.values():
                if endpoint.status is Status.FAILED:
                    assert endpoint.failure_reason
                    assert not endpoint.instances()

    def teardown(self) -> None:
        self.world.clock.advance(1e6)
        for region in self.world.settled():
            assert {endpoint.status for endpoint in region.endpoints.values()} <= RESTING


TestEndpoints = Endpoints.TestCase
TestEndpoints.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
