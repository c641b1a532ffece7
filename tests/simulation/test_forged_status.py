"""A status that another user wrote: the operator never changes objects that it does not own, and invents no image."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from simulation.simulation import KEY, PODS, REGION, SPEC, Object, Simulation
from simulation.test_stories import IMAGES, NEW, ROLE, foreign_endpoint
from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.engines.tgi import images

OTHER = Key("ml-other", "victim")
THEIRS = names.endpoint_name(OTHER)
BACKDOOR = f"{IMAGES}/backdoor:1"
FORMER = names.former_endpoint_name(KEY)
OWN = names.endpoint_name(KEY)

WRITES = ("Create", "Update", "Delete", "Add", "Register", "Deregister", "Put")

revisions = st.one_of(st.from_regex(r"[0-9a-f]{10}", fullmatch=True), st.sampled_from(["x", "../..", "0" * 10, "a b"]))
times = st.sampled_from(
    ["2000-01-01T00:00:00Z", "2026-03-02T06:00:00Z", "2026-03-02T08:00:00Z", "2999-01-01T00:00:00Z"]
)
endpoints = st.sampled_from([OWN, FORMER, THEIRS])
statuses = st.sampled_from(["Creating", "InService", "Failed", "Updating", "Deleting", "Whatever"])


def arn(name: str) -> str:
    """Return the ARN of an endpoint."""
    return f"arn:aws:sagemaker:{REGION}:111122223333:endpoint/{name}"


blocks = st.fixed_dictionaries(
    {"endpointName": endpoints},
    optional={
        "endpointARN": endpoints.map(arn),
        "endpointStatus": statuses,
        "endpointConfigName": st.sampled_from([f"{THEIRS}-0123456789", f"{OWN}-0123456789", "theirs"]),
        "lastModifiedTime": times,
        "failureReason": st.sampled_from(["", "Nobody knows."]),
        "requestTime": times,
        "requestedReplicas": st.integers(1, 10),
        "updateAccepted": st.booleans(),
        "revisions": st.lists(revisions, max_size=3, unique=True),
        "tagKeys": st.lists(
            st.sampled_from(["team", names.TAG_NAME, names.TAG_CLUSTER, names.TAG_RENDERED_FROM, "aws:x"]), unique=True
        ),
        "renderedFrom": st.sampled_from(["0" * 16, "kept"]),
        "scalingRevision": revisions,
        "scalingRequestTime": times,
    },
)

forgeries = st.fixed_dictionaries(
    {},
    optional={
        "sageMaker": blocks,
        "image": st.sampled_from([BACKDOOR, "registry.evil.example/backdoor:1", ""]),
        "currentRevision": revisions,
        "updateRevision": revisions,
        "desiredReplicas": st.integers(0, 3),
        "replicas": st.integers(0, 3),
        "observedGeneration": st.sampled_from([-1, 1]),
        "url": st.just("https://evil.example"),
        "lastFailure": st.fixed_dictionaries(
            {
                "time": times,
                "revision": revisions,
                "reason": st.sampled_from(["QuotaExceeded", "EndpointFailed", "Nonsense"]),
                "message": st.just("forged"),
                "attempts": st.integers(1, 60),
            }
        ),
    },
)


@contextmanager
def neighbours() -> Iterator[Simulation]:
    """A simulation in which two resources serve, and an untagged endpoint exists."""
    with Simulation() as simulation:
        for key in (KEY, OTHER):
            simulation.apply(SPEC, key)
        for key in (KEY, OTHER):
            simulation.run_until(partial(simulation.is_ready, key), within=900)
        container = {"Image": f"{IMAGES}/theirs:1"}
        simulation.aws("CreateModel", ModelName="theirs", PrimaryContainer=container, ExecutionRoleArn=ROLE)
        variant = {"VariantName": "v", "ModelName": "theirs", "InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 1}
        simulation.aws("CreateEndpointConfig", EndpointConfigName="theirs", ProductionVariants=[variant])
        simulation.aws("CreateEndpoint", EndpointName=FORMER, EndpointConfigName="theirs")
        simulation.run(300)
        yield simulation


def forge(simulation: Simulation, change: Mapping[str, Any]) -> None:
    """Write a status as a user with that permission can; `kept` is the operator's own status."""
    forged = copy.deepcopy(dict(change))
    block, true = forged.get("sageMaker", {}), simulation.status().get("sageMaker", {})
    if block.get("renderedFrom") == "kept":
        block["renderedFrom"] = true.get("renderedFrom", "")
    simulation.edit_status(forged)


def foreign_changes(simulation: Simulation, since: int) -> list[Object]:
    """Return the changes to objects that are not the forger's own."""
    made = (call for call in simulation.amazon.calls[since:] if call.operation.startswith(WRITES))
    return [{call.operation: call.name} for call in made if OWN not in call.name]


def requested_images(simulation: Simulation) -> set[str]:
    """Return all images that were requested."""
    made = (call for call in simulation.amazon.calls if call.operation == "CreateModel")
    return {call.request["PrimaryContainer"]["Image"] for call in made}


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@example({"observedGeneration": -1, "sageMaker": {"scalingRevision": "0" * 10}}, True, "deletion")
@given(forgeries, st.booleans(), st.sampled_from(["nothing", "a new spec", "the endpoint is lost", "deletion"]))
def test_no_forgery_reaches_what_is_not_owned(forged: Mapping[str, Any], restarted: bool, then: str) -> None:
    with neighbours() as simulation:
        image, calls = simulation.status()["image"], len(simulation.amazon.calls)
        theirs = [name for name in simulation.leftovers() if OWN not in name]
        if restarted:
            simulation.restart()
        forge(simulation, forged)
        simulation.run(40)
        if then == "a new spec":
            simulation.apply(NEW)
        elif then == "the endpoint is lost":
            simulation.aws("DeleteEndpoint", EndpointName=OWN)
        elif then == "deletion":
            simulation.delete()
        simulation.run(600)
        if not simulation.is_gone():
            forge(simulation, forged)
            simulation.run(600)
        assert foreign_changes(simulation, calls) == []
        assert [name for name in simulation.leftovers() if OWN not in name] == theirs
        assert requested_images(simulation) == {image}
        assert simulation.is_ready(OTHER)
        if not simulation.is_gone():
            assert simulation.status().get("url") != "https://evil.example"
            assert simulation.status().get("image") == image


@pytest.mark.parametrize(
    "forged",
    [
        {"image": BACKDOOR},
        {"updateRevision": "0123456789"},
        {"currentRevision": "0123456789"},
        {"url": "https://evil.example"},
        {"replicas": 9, "readyReplicas": 9},
        {"sageMaker": {"revisions": ["0123456789", "x"]}},
        {"sageMaker": {"endpointName": FORMER}},
        {"sageMaker": {"endpointName": FORMER, "endpointARN": arn(FORMER), "revisions": ["0123456789"]}},
        {"sageMaker": {"endpointARN": arn(THEIRS)}},
        {"sageMaker": {"requestTime": "2999-01-01T00:00:00Z"}},
        {"sageMaker": {"lastModifiedTime": "2000-01-01T00:00:00Z"}},
        {"sageMaker": {"tagKeys": [names.TAG_NAME, names.TAG_RENDERED_FROM]}},
        {"sageMaker": {"scalingRevision": "0123456789"}},
        {"desiredReplicas": 9},
    ],
    ids=str,
)
def test_a_forgery_costs_a_look_and_the_status_is_right_again(serving: Simulation, forged: Mapping[str, Any]) -> None:
    serving.run(60)
    before, calls = serving.status(), len(serving.amazon.calls)
    forge(serving, forged)
    serving.run(30)
    after = serving.status()
    changes = [each for each in serving.amazon.changes(calls) if each != "DeregisterScalableTarget"]
    assert not [each for each in changes if each not in ("DeleteModel", "DeleteEndpointConfig")]
    for name in ("image", "currentRevision", "updateRevision", "url", "replicas", "readyReplicas", "desiredReplicas"):
        assert after.get(name) == before.get(name), name
    assert after["sageMaker"]["endpointARN"] == before["sageMaker"]["endpointARN"]
    assert serving.is_ready()
    assert len(serving.leftovers()) == 3


def test_an_image_of_the_status_alone_is_never_requested_in_the_cluster(simulation: Simulation) -> None:
    simulation.apply(PODS)
    simulation.run(1)
    simulation.edit_status({"image": "registry.evil.example/backdoor:1"})
    simulation.run_until(simulation.is_ready, within=900)
    image = simulation.status()["image"]
    assert image == images.release_image(None)
    for spec in (PODS, {**PODS, "runtime": {"maxTotalTokens": 2048}}):
        simulation.edit_status({"image": "registry.evil.example/backdoor:1"})
        simulation.apply(spec)
        simulation.run(60)
        simulation.run_until(simulation.is_ready, within=900)
        assert simulation.status()["image"] == image
    found = [
        container["image"]
        for body in simulation.server.objects["deployments"].values()
        for container in body["spec"]["template"]["spec"]["containers"]
    ]
    assert set(found) == {image}


def test_finding_m2_an_endpoint_that_was_never_ours(simulation: Simulation) -> None:
    """The proof of the review: an untagged endpoint, and a status that refers to it."""
    theirs = foreign_endpoint(simulation, {})
    simulation.apply(SPEC)
    simulation.run(30)
    forge(simulation, {"sageMaker": {"endpointName": OWN, "endpointARN": arn(OWN), "revisions": ["0123456789"]}})
    simulation.run(300)
    simulation.delete()
    simulation.run_until(simulation.is_gone, within=300)
    assert simulation.amazon.changes() == []
    assert simulation.leftovers() == theirs
