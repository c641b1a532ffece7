"""Attacks by one namespace on the endpoints of another, by names and by races: it gets none of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulation.amazon import NO_IMAGE
from simulation.simulation import CLUSTER, REGION, SPEC, Object, Simulation
from simulation.test_stories import IMAGES, NEW, ROLE
from tgi_operator.backends.keys import Key
from tgi_operator.backends.resource import Owner
from tgi_operator.backends.sagemaker.desired import names
from tgi_sandbox.aws.lifecycle import Outcome

NAME = "payments"
VICTIM = Key("ml", "victim")
EVIL = Key("evil", "steal")

EVERYBODY = "namespaces: {'*': {endpointNames: ['*']}}"
ONLY_THE_VICTIM = f"namespaces: {{ml: {{endpointNames: ['{NAME}']}}}}"
NOBODY = "namespaces: {other: {endpointNames: ['*']}}"


def named(spec: Any = SPEC, name: str = NAME) -> Object:
    """Return the spec with a name for the endpoint."""
    return {**spec, "sageMaker": {**spec["sageMaker"], "endpointName": name}}


def allow(simulation: Simulation, text: str) -> None:
    """Write the administrators' file."""
    Path(simulation.settings.allowed_roles_file).write_text(text)


def owner_tags(simulation: Simulation, name: str = NAME) -> dict[str, str]:
    """Return the tags of an endpoint, empty where it does not exist."""
    if simulation.endpoint(name) is None:
        return {}
    arn = simulation.amazon.region(REGION).arn("endpoint", name)
    return names.from_list(simulation.aws("ListTags", ResourceArn=arn)["Tags"])


def owners(simulation: Simulation, name: str, seconds: int) -> set[str]:
    """Return the namespaces whose endpoint had the name at any time in so many seconds."""
    found = set()
    for _ in range(0, seconds, 3):
        simulation.run(3)
        found.add(owner_tags(simulation, name).get(names.TAG_NAMESPACE, "none"))
    return found


def ready(simulation: Simulation, key: Key = VICTIM, within: float = 900) -> None:
    """Advance time until a resource serves."""
    simulation.run_until(lambda: simulation.is_ready(key), within=within)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Simulation]:
    """A simulation in which the victim serves, and in which every namespace is allowed to use every name."""
    with Simulation(allowed_roles_file=str(tmp_path / "roles.yaml")) as simulation:
        allow(simulation, EVERYBODY)
        simulation.apply(named(), VICTIM)
        ready(simulation)
        yield simulation


# Generated names


def test_namespaces_whose_names_meet_at_a_hyphen_have_an_endpoint_each(simulation: Simulation) -> None:
    keys = (Key("ml", "dev-x"), Key("ml-dev", "x"))
    for key in keys:
        simulation.apply(SPEC, key)
    for key in keys:
        ready(simulation, key)
    endpoints = {simulation.status(key)["sageMaker"]["endpointName"] for key in keys}
    assert endpoints == set(map(names.endpoint_name, keys))
    assert simulation.reason(key=keys[0]) == simulation.reason(key=keys[1]) == "InService"


def older(simulation: Simulation, monkeypatch: pytest.MonkeyPatch, key: Key) -> str:
    """Create an endpoint like an earlier version of the operator, and return its name."""
    with monkeypatch.context() as earlier:
        earlier.setattr(names, "endpoint_name", names.former_endpoint_name)
        simulation.apply(SPEC, key)
        ready(simulation, key)
    simulation.restart()
    return names.former_endpoint_name(key)


@pytest.mark.parametrize("lost", [False, True], ids=["", "after a restore without the status"])
def test_an_endpoint_that_an_earlier_version_named_keeps_its_name(monkeypatch: pytest.MonkeyPatch, lost: bool) -> None:
    with Simulation(aws_drift_reads_per_minute=0.01) as simulation:
        keeps_its_name(simulation, monkeypatch, lost=lost)


def keeps_its_name(simulation: Simulation, monkeypatch: pytest.MonkeyPatch, *, lost: bool) -> None:
    """Run the story of an endpoint of an earlier version."""
    former = older(simulation, monkeypatch, VICTIM)
    calls = len(simulation.amazon.calls)
    if lost:
        simulation.edit_status(dict.fromkeys(simulation.status(VICTIM)), VICTIM)
    simulation.run(120)
    if not lost:
        assert not simulation.amazon.made("DescribeEndpoint", "ListTags", since=calls), "a restart costs one list"
    simulation.apply(NEW, VICTIM)
    simulation.run(60)
    ready(simulation)
    assert "CreateEndpoint" not in simulation.amazon.changes(calls)
    assert simulation.status(VICTIM)["sageMaker"]["endpointName"] == former
    assert simulation.status(VICTIM)["url"].endswith(f"/{former}/invocations")
    simulation.delete(VICTIM)
    simulation.run_until(lambda: simulation.is_gone(VICTIM), within=600)
    assert simulation.leftovers() == []


def test_an_endpoint_that_an_earlier_version_named_is_created_again_by_that_name(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = older(simulation, monkeypatch, VICTIM)
    simulation.aws("DeleteEndpoint", EndpointName=former)
    simulation.run(120)
    ready(simulation)
    assert simulation.endpoint(former) is not None
    assert len(simulation.leftovers()) == 3


def test_a_resource_whose_former_name_is_anothers_gets_a_name_of_its_own(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Key("ml-dev", "x"), Key("ml", "dev-x")
    former = older(simulation, monkeypatch, first)
    assert former == names.former_endpoint_name(second)
    simulation.apply(SPEC, second)
    ready(simulation, second)
    simulation.run(600)
    assert simulation.endpoint(names.endpoint_name(second)) is not None
    assert owner_tags(simulation, former)[names.TAG_NAMESPACE] == "ml-dev"
    for key in (second, first):
        simulation.delete(key)
    simulation.run_until(lambda: simulation.is_gone(first) and simulation.is_gone(second), within=600)
    assert simulation.leftovers() == []


# Names that a spec chooses


@pytest.mark.parametrize("text", [None, NOBODY, "{"], ids=["no file", "no entry", "a broken file"])
def test_a_name_that_no_entry_allows_is_refused_and_costs_no_call(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "roles.yaml"
    with Simulation(allowed_roles_file=str(file) if text else "") as simulation:
        if text:
            file.write_text(text)
        simulation.apply(named(), EVIL)
        simulation.run(600)
        assert simulation.reason("Stalled", EVIL) == "EndpointNameNotAllowed"
        assert "url" not in simulation.status(EVIL)
        assert set(simulation.amazon.made("DescribeEndpoint", "ListTags")) == set()
        assert simulation.amazon.changes() == []
        simulation.delete(EVIL)
        simulation.run_until(lambda: simulation.is_gone(EVIL), within=60)


def test_a_name_is_used_within_a_minute_of_being_allowed(tmp_path: Path) -> None:
    with Simulation(allowed_roles_file=str(tmp_path / "roles.yaml")) as simulation:
        allow(simulation, NOBODY)
        simulation.apply(named(), VICTIM)
        simulation.run(120)
        assert simulation.amazon.changes() == []
        allow(simulation, ONLY_THE_VICTIM)
        simulation.run_until(lambda: simulation.endpoint(NAME), within=60)
        ready(simulation)


def test_what_has_a_name_that_is_allowed_no_longer_goes_on_serving_and_is_reported(shared: Simulation) -> None:
    allow(shared, NOBODY)
    shared.run(90)
    assert shared.is_ready(VICTIM)
    assert "is not allowed in namespace ml" in shared.condition("Ready", VICTIM)["message"]
    shared.apply(named(NEW), VICTIM)
    shared.run(30)
    ready(shared)
    shared.aws("DeleteEndpoint", EndpointName=NAME)
    shared.run(600)
    assert shared.reason("Stalled", VICTIM) == "EndpointNameNotAllowed"
    assert shared.endpoint(NAME) is None
    assert "url" not in shared.status(VICTIM)
    allow(shared, ONLY_THE_VICTIM)
    shared.run(60)
    ready(shared)


def test_an_existing_endpoint_is_taken_over_only_where_an_entry_allows_its_name(shared: Simulation) -> None:
    """A new owner of a namespace inherits no endpoint: the uid in the tags is that of the deleted resource."""
    shared.apply({**named(), "deletionPolicy": "Retain"}, VICTIM)
    shared.run(30)
    shared.delete(VICTIM)
    shared.run_until(lambda: shared.is_gone(VICTIM), within=60)
    before, calls = owner_tags(shared), len(shared.amazon.calls)
    allow(shared, NOBODY)
    shared.apply(named(), VICTIM)
    shared.run(300)
    assert shared.reason("Stalled", VICTIM) == "EndpointNameNotAllowed"
    assert "url" not in shared.status(VICTIM)
    shared.delete(VICTIM)
    shared.run_until(lambda: shared.is_gone(VICTIM), within=120)
    assert shared.amazon.changes(calls) == []
    assert owner_tags(shared) == before
    allow(shared, ONLY_THE_VICTIM)
    shared.apply(named(), VICTIM)
    ready(shared)


def test_what_is_not_owned_has_no_url_and_no_replicas(shared: Simulation) -> None:
    shared.apply(named(), EVIL)
    shared.run_until(lambda: shared.reason("Stalled", EVIL) == "NotOwned", within=120)
    assert "url" not in shared.status(EVIL)
    assert shared.status(EVIL)["replicas"] == shared.status(EVIL)["readyReplicas"] == 0
    theirs = {names.TAG_CLUSTER: "cluster-2"}
    arn = shared.amazon.region(REGION).arn("endpoint", NAME)
    shared.aws("AddTags", ResourceArn=arn, Tags=names.to_list(theirs))
    shared.run_until(lambda: shared.reason("Stalled", VICTIM) == "NotOwned", within=900)
    assert "url" not in shared.status(VICTIM), "what was owned before is not served from any more"
    assert shared.status(VICTIM)["replicas"] == 0


# Races


def steal(simulation: Simulation) -> None:
    """Let the attacker request an observation of the endpoint every five seconds."""

    def request(times: int) -> None:
        simulation.annotate(EVIL, requestedAt=str(times))
        simulation.loop.call_later(5, request, times + 1)

    simulation.apply(named(), EVIL)
    simulation.loop.call_later(3, request, 0)


def lost(simulation: Simulation) -> None:
    simulation.aws("DeleteEndpoint", EndpointName=NAME)


def failed_and_replaced(simulation: Simulation) -> None:
    simulation.aws("DeleteEndpoint", EndpointName=NAME)
    simulation.script(Outcome.NO_CAPACITY, times=1, endpoint=NAME)


def lost_while_it_cannot_be_created(simulation: Simulation) -> None:
    simulation.amazon.fail(NO_IMAGE, "CreateModel")
    simulation.aws("DeleteEndpoint", EndpointName=NAME)
    simulation.loop.call_later(150, simulation.amazon.mend, "CreateModel")


def applied_again(simulation: Simulation) -> None:
    simulation.delete(VICTIM)
    simulation.run_until(lambda: simulation.is_gone(VICTIM), within=300)
    simulation.run(5)
    simulation.apply(named(), VICTIM)


@pytest.mark.parametrize("restarted", [False, True], ids=["", "with a restart"])
@pytest.mark.parametrize(
    "happens",
    [lost, failed_and_replaced, lost_while_it_cannot_be_created, applied_again],
    ids=lambda act: act.__name__,
)
def test_a_name_never_changes_hands_while_its_owner_wants_it(shared: Simulation, happens: Any, restarted: bool) -> None:
    steal(shared)
    shared.run(60)
    happens(shared)
    if restarted and happens is not applied_again:
        shared.run(1)
        shared.restart()
    # AWS needs 22 minutes to report that it has no capacity.
    assert owners(shared, NAME, 2400 if happens is failed_and_replaced else 600) <= {"ml", "none"}
    assert shared.is_ready(VICTIM)
    assert shared.reason("Stalled", EVIL) == "NotOwned"


def test_a_name_is_free_once_its_owner_is_gone_for_good(shared: Simulation) -> None:
    shared.apply(named(), EVIL)
    shared.run(60)
    shared.delete(VICTIM)
    shared.run_until(lambda: shared.is_gone(VICTIM), within=300)
    ready(shared, EVIL)
    assert owner_tags(shared)[names.TAG_NAMESPACE] == "evil"


def test_of_two_that_want_a_free_name_the_older_gets_it(tmp_path: Path) -> None:
    with Simulation(allowed_roles_file=str(tmp_path / "roles.yaml")) as simulation:
        allow(simulation, NOBODY)
        simulation.apply(named(), VICTIM)
        simulation.run(5)
        simulation.apply(named(), EVIL)
        simulation.run(60)
        allow(simulation, EVERYBODY)
        ready(simulation)
        simulation.run(300)
        assert owner_tags(simulation)[names.TAG_NAMESPACE] == "ml"
        assert simulation.reason("Stalled", EVIL) == "NotOwned"


# Tags that were removed


def strip(simulation: Simulation, name: str, *parts: str) -> None:
    """Remove the owner tags of parts of an endpoint."""
    endpoint = simulation.endpoint(name)
    assert endpoint is not None
    region = simulation.amazon.region(REGION)
    arns = {"endpoint": region.arn("endpoint", name)}
    arns |= {part: region.arn(part, endpoint["EndpointConfigName"]) for part in ("endpoint-config", "model")}
    keys = [names.TAG_CLUSTER, names.TAG_NAMESPACE, names.TAG_NAME, names.TAG_UID]
    for part in parts:
        simulation.aws("DeleteTags", ResourceArn=arns[part], TagKeys=keys)


def test_tags_that_an_endpoint_lost_are_restored_by_those_of_its_configuration(shared: Simulation) -> None:
    strip(shared, NAME, "endpoint")
    shared.run_until(lambda: owner_tags(shared).get(names.TAG_NAME) == "victim", within=900)
    assert shared.is_ready(VICTIM)


def test_without_any_evidence_in_aws_the_message_has_the_tags_to_set(shared: Simulation) -> None:
    strip(shared, NAME, "endpoint", "endpoint-config")
    shared.run_until(lambda: is_not_owned(shared), within=900)
    message = shared.condition("Ready", VICTIM)["message"]
    calls = len(shared.amazon.calls)
    for tag, value in names.identifying_tags(Owner(CLUSTER, "ml", "victim", "")).items():
        assert f"{tag}={value}" in message
    shared.run(600)
    assert shared.amazon.changes(calls) == []
    arn = shared.amazon.region(REGION).arn("endpoint", NAME)
    shared.aws("AddTags", ResourceArn=arn, Tags=names.to_list(names.identifying_tags(shared.owner(VICTIM))))
    shared.run_until(lambda: shared.is_ready(VICTIM), within=60)


def is_not_owned(simulation: Simulation) -> bool:
    """Return whether the victim does not own its endpoint."""
    return simulation.reason("Stalled", VICTIM) == "NotOwned"


def test_an_untagged_endpoint_of_our_name_is_not_ours(simulation: Simulation) -> None:
    """Finding M2: an endpoint that this operator never created, with a configuration in our naming scheme."""
    endpoint = names.endpoint_name(EVIL)
    set_name = names.set_name(endpoint, "0123456789")
    simulation.aws(
        "CreateModel", ModelName=set_name, PrimaryContainer={"Image": f"{IMAGES}/a:1"}, ExecutionRoleArn=ROLE
    )
    variant = {"VariantName": "v", "ModelName": set_name, "InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 1}
    simulation.aws("CreateEndpointConfig", EndpointConfigName=set_name, ProductionVariants=[variant])
    simulation.aws("CreateEndpoint", EndpointName=endpoint, EndpointConfigName=set_name)
    simulation.run(300)
    simulation.apply(SPEC, EVIL)
    simulation.run(30)
    arn = simulation.amazon.region(REGION).arn("endpoint", endpoint)
    forged = {"endpointName": endpoint, "endpointARN": arn, "revisions": ["0123456789"]}
    simulation.edit_status({"sageMaker": forged, "updateRevision": "0123456789"}, EVIL)
    simulation.run(300)
    simulation.delete(EVIL)
    simulation.run_until(lambda: simulation.is_gone(EVIL), within=300)
    assert simulation.amazon.changes() == []
