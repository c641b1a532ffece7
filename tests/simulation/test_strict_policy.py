"""Under the strict IAM policy, the operator does all of its work, and changes nothing of other owners."""

import json
from pathlib import Path
from typing import Any

import pytest

from simulation.simulation import CLUSTER, ENDPOINT, REGION, SPEC, Simulation
from simulation.test_over import MINUTE
from simulation.test_stories import NEW, is_stalled
from tgi_operator.backends.sagemaker.desired import names
from tgi_sandbox.aws import iam
from tgi_sandbox.aws.authorization import needs
from tgi_sandbox.aws.autoscaling.operations import AUTOSCALING_OPERATIONS
from tgi_sandbox.aws.identity import DEFAULT_ACCOUNT
from tgi_sandbox.aws.lifecycle import Outcome

FOLDER = Path(__file__).parents[2] / "manifests" / "iam"
STRICT = json.loads(
    (FOLDER / "operator-policy-strict.json")
    .read_text()
    .replace("111122223333", DEFAULT_ACCOUNT)
    .replace("us-east-1", REGION)
    .replace("CLUSTER_ID", CLUSTER)
)
BOUNDS = {"minReplicas": 1, "maxReplicas": 3}
SCHEDULE = {"name": "nights", "start": "0 20 * * *", "end": "0 6 * * *", "minReplicas": 1, "maxReplicas": 1}
METRICS = [{"type": kind, "target": {"averageValue": 10}} for kind in ("ConcurrentRequests", "InvocationsPerInstance")]
SCALED = {**SPEC, "autoscaling": {**BOUNDS, "metrics": METRICS, "schedules": [SCHEDULE]}}
LESS_SCALED = {**SPEC, "autoscaling": {**BOUNDS, "metrics": METRICS[:1]}}
ARN = f"arn:aws:sagemaker:{REGION}:{DEFAULT_ACCOUNT}:endpoint/{ENDPOINT}"


@pytest.fixture
def strict(simulation: Simulation) -> Simulation:
    """A simulation whose operator has the strict policy."""
    simulation.amazon.policy = iam.read(STRICT)
    return simulation


def changed(**fields: Any) -> dict[str, Any]:
    """Return the spec with other fields of sageMaker."""
    return {**SPEC, "sageMaker": {**SPEC["sageMaker"], **fields}}


def actions(document: dict[str, Any]) -> set[str]:
    """Return the actions of a policy."""
    return {action for each in document["Statement"] for action in iam.listed(each["Action"])}


def test_a_whole_life_needs_every_action_and_no_other(strict: Simulation) -> None:
    strict.script(Outcome.NO_CAPACITY)
    tagged = changed(tags=[{"key": "team", "value": "nlp"}])
    lives = (SPEC, tagged, NEW, {**NEW, "replicas": 2}, SCALED, LESS_SCALED, {**SPEC, "replicas": 1})
    for spec in lives:
        strict.apply(spec)
        strict.run(30)
        strict.run_until(strict.is_ready, within=4000)
        strict.run(120)
    strict.delete()
    strict.run_until(strict.is_gone, within=900)
    assert strict.leftovers() == []
    assert not [refusal for refusal in strict.amazon.refusals if "not authorized" in refusal[1]]
    used = {
        f"{'application-autoscaling' if operation in AUTOSCALING_OPERATIONS else 'sagemaker'}:{operation}"
        for _, _, operation in strict.amazon.attempts
    }
    assert actions(STRICT) - used == {"iam:PassRole", "iam:CreateServiceLinkedRole"}


def test_it_has_the_actions_of_the_simple_policy() -> None:
    assert actions(STRICT) == actions(json.loads((FOLDER / "operator-policy.json").read_text()))


@pytest.mark.parametrize("cluster", ["another", None], ids=["another cluster's", "nobody's"])
@pytest.mark.parametrize("operation", ["UpdateEndpoint", "DeleteEndpoint", "AddTags", "DeleteTags"])
def test_what_another_owner_has_is_out_of_reach(simulation: Simulation, operation: str, cluster: str | None) -> None:
    region = simulation.amazon.region(REGION)
    region.tags[ARN] = {names.TAG_CLUSTER: cluster} if cluster else {}
    mine = [{"Key": names.TAG_CLUSTER, "Value": CLUSTER}]
    request = {"EndpointName": ENDPOINT} if "Endpoint" in operation else {"ResourceArn": ARN, "Tags": mine}
    (need, *_) = needs("sagemaker", operation, request, region)
    policy = iam.read(STRICT)
    assert not policy.allows(need.action, need.resource, need.context)
    region.tags[ARN] = {names.TAG_CLUSTER: CLUSTER}
    (need, *_) = needs("sagemaker", operation, request, region)
    assert policy.allows(need.action, need.resource, need.context)


def test_an_instance_type_that_is_not_listed_is_refused_and_the_message_names_the_action(strict: Simulation) -> None:
    strict.apply(changed(instanceType="ml.p4d.24xlarge"))
    strict.run_until(lambda: is_stalled(strict, "AccessDenied"), within=MINUTE)
    assert "sagemaker:CreateEndpointConfig" in strict.condition("Stalled")["message"]


def test_another_region_is_refused(strict: Simulation) -> None:
    strict.apply(changed(region="eu-central-1"))
    strict.run_until(lambda: is_stalled(strict, "AccessDenied"), within=300)
    assert not strict.amazon.region("eu-central-1").models
