"""Every operation of AWS and every request to the API server fails for a while: each story still ends well."""

import pytest

from simulation.amazon import CUT_OFF, DENIED, HANGS, INTERNAL, THROTTLED, Fault
from simulation.simulation import ENDPOINT, PODS, REGION, Object, Simulation
from simulation.test_scaling import AUTOSCALING, SCHEDULE, follows, retyped, spec, target
from simulation.test_stories import TAGGED, tags
from tgi_operator.backends.sagemaker.aws.operations import OPERATIONS
from tgi_operator.backends.sagemaker.desired import names

FAULTS = {"denied": DENIED, "throttled": THROTTLED, "fails inside": INTERNAL, "cut off": CUT_OFF, "hangs": HANGS}

LIVES = tuple(
    (operation, fault)
    for number, operation in enumerate(OPERATIONS)
    for fault in ("denied", "cut off", ("throttled", "fails inside", "hangs")[number % 3])
)
"""Each operation is refused, fails after an unknown effect, and fails in one of three temporary ways."""

BAD_SECONDS = 400
"""How long an operation fails after each change: longer than AWS takes to create an endpoint."""

LONGEST_PAUSE = 1800 + 60

INVOCATIONS = {"type": "InvocationsPerInstance", "target": {"value": "100"}}

LIFE: tuple[Object, ...] = (
    spec({**AUTOSCALING, "schedules": [SCHEDULE]}),
    {
        **spec({"minReplicas": 2, "maxReplicas": 5, "metrics": [INVOCATIONS]}, runtime={"maxTotalTokens": 2048}),
        "sageMaker": TAGGED["sageMaker"],
    },
    retyped(spec()),
    spec(None, replicas=2),
    spec(None, replicas=1),
)
"""Applied in order, these need every operation."""

PODS_LIFE: tuple[Object, ...] = (
    {**PODS, "inCluster": {"gpu": {"count": 1}, "cache": {"size": "100Gi"}}},
    {**PODS, "inCluster": {"gpu": {"count": 1}, "cache": {"size": "100Gi"}}, "runtime": {"maxTotalTokens": 2048}},
)

REQUESTS = (
    ("patch", "tgiendpoints"),
    ("patch", "tgiendpoints/status"),
    ("create", "events"),
    ("patch", "deployments"),
    ("patch", "services"),
    ("patch", "jobs"),
    ("patch", "persistentvolumeclaims"),
    ("get", "deployments"),
    ("list", "nodes"),
    ("list", "tgiendpoints"),
)


def is_as_wanted(simulation: Simulation, wanted: Object) -> bool:
    """Return whether the resource is Ready, and AWS matches the spec."""
    if not simulation.is_ready():
        return False
    region = simulation.amazon.region(REGION)
    (variant,) = region.endpoint(ENDPOINT).variants
    listed = {each["key"]: each["value"] for each in wanted["sageMaker"].get("tags", ())}
    found, scaled = target(simulation), wanted.get("autoscaling")
    policies = len(found.policies) if found is not None else 0
    return (
        variant.instance_type == wanted["sageMaker"]["instanceType"]
        and variant.current_count == wanted.get("replicas", variant.current_count)
        and tags(simulation) == listed | names.owner_tags(simulation.owner())
        and (policies, found is not None) == (int(scaled is not None), scaled is not None)
        and (scaled is None or follows(simulation))
        and len(simulation.leftovers()) == 3
    )


@pytest.mark.parametrize(("operation", "fault"), LIVES)
def test_a_life_ends_well_though_an_operation_fails_for_a_while(
    simulation: Simulation, operation: str, fault: str
) -> None:
    found: Fault = FAULTS[fault]
    for wanted in LIFE:
        with simulation.amazon.failing(found, operation):
            simulation.apply(wanted)
            simulation.run(BAD_SECONDS)
        simulation.run_until(lambda wanted=wanted: is_as_wanted(simulation, wanted), within=LONGEST_PAUSE + 900)  # type: ignore[misc]
    with simulation.amazon.failing(found, operation):
        simulation.delete()
        simulation.run(BAD_SECONDS)
    simulation.run_until(simulation.is_gone, within=LONGEST_PAUSE + 600)
    simulation.run(60)
    assert simulation.amazon.attempted(operation)
    assert simulation.leftovers() == []
    assert simulation.world.violations == []


@pytest.mark.parametrize("request_", REQUESTS, ids=" ".join)
def test_a_life_of_pods_ends_well_though_a_request_is_forbidden_for_a_while(
    simulation: Simulation, request_: tuple[str, str]
) -> None:
    for wanted in PODS_LIFE:
        simulation.server.denied = {request_}
        simulation.apply(wanted)
        simulation.run(BAD_SECONDS)
        simulation.server.denied = set()
        simulation.run_until(simulation.is_ready, within=900)
    simulation.server.denied = {request_}
    simulation.delete()
    simulation.run(120)
    simulation.server.denied = set()
    simulation.run_until(simulation.is_gone, within=360)
    simulation.run(30)
    assert not simulation.server.objects["pods"]
