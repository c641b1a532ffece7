"""Refusals that follow from the spec and the settings alone: `tgi-operator plan` reports the same, offline."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

import tgi_operator
from simulation.simulation import PODS, SPEC, Simulation
from simulation.test_stories import with_target
from tgi_operator.api.identifiers import API_VERSION, KIND
from tgi_operator.api.reasons import Reason
from tgi_operator.backends.keys import Key
from tgi_operator.cli.main import main
from tgi_operator.settings import PREFIX, Settings

KEY = Key("ml", "llm")
FILE = "permissions.yaml"
PERMISSIONS = {"namespaces": {KEY.namespace: {"executionRoles": ["arn:aws:iam::*:role/team-*"], "endpointNames": []}}}
NAMES = {"namespaces": {KEY.namespace: {"endpointNames": ["team-*"]}}}
PACKAGE = Path(tgi_operator.__file__).parent

RULES = (
    "backends/sagemaker/desired/checks.py",
    "backends/sagemaker/aws/regions.py",
    "backends/sagemaker/permissions.py",
    "backends/incluster/desired/checks.py",
    "backends/incluster/desired/restrictions.py",
    "backends/plans/scaling.py",
    "engines/tgi/launch_checks.py",
    "backends/served.py",
)
"""The modules of the refusals that depend only on the spec and the settings."""


def with_runtime(**fields: Any) -> dict[str, Any]:
    return {**SPEC, "runtime": fields}


def with_pods(**fields: Any) -> dict[str, Any]:
    return {**PODS, "inCluster": {**PODS["inCluster"], **fields}}


def with_pod(**fields: Any) -> dict[str, Any]:
    return with_pods(podTemplate={"spec": fields})


def with_sidecar(**context: Any) -> dict[str, Any]:
    return with_pod(containers=[{"name": "proxy", "image": "envoy", "securityContext": context}])


@dataclass(frozen=True)
class Refusal:
    """A spec, the settings, and the parts of the message: field, value and remedy."""

    reason: Reason
    spec: Mapping[str, Any]
    parts: tuple[str, str, str]
    settings: Mapping[str, str] = field(default_factory=dict)
    permissions: Mapping[str, Any] | None = None


REFUSALS = {
    "a region that does not exist": Refusal(
        Reason.UNKNOWN_REGION,
        with_target(region="eu-west-9"),
        ("spec.sageMaker.region", "eu-west-9", "create a new TGIEndpoint in another region"),
    ),
    "a region that the administrators do not allow": Refusal(
        Reason.UNKNOWN_REGION,
        SPEC,
        (
            "spec.sageMaker.region",
            "the operator does not allow eu-west-1",
            "ask an administrator to add eu-west-1 to",
        ),
        {"aws_regions": "us-east-1,us-west-2"},
    ),
    "a path of the node": Refusal(
        Reason.POD_NOT_RESTRICTED,
        with_pod(volumes=[{"name": "root", "hostPath": {"path": "/"}}]),
        ("spec.inCluster.podTemplate.spec.volumes[root]", "hostPath", "remove the field"),
    ),
    "privileges": Refusal(
        Reason.POD_NOT_RESTRICTED,
        with_sidecar(privileged=True),
        ("spec.inCluster.podTemplate.spec.containers[proxy].securityContext.privileged", "true", "remove the field"),
    ),
    "a capability": Refusal(
        Reason.POD_NOT_RESTRICTED,
        with_sidecar(capabilities={"add": ["NET_ADMIN"]}),
        ("containers[proxy].securityContext.capabilities.add", '["NET_ADMIN"]', "remove the field"),
    ),
    "an annotation of the Service that nobody has allowed": Refusal(
        Reason.ANNOTATION_NOT_ALLOWED,
        with_pods(service={"annotations": {"prometheus.io/scrape": "true", "tailscale.com/expose": "true"}}),
        (
            "spec.inCluster.service.annotations",
            "tailscale.com/expose is not allowed (allowed: prometheus.io/*, example.com/team)",
            "remove it, or ask an administrator to add it to the `service-annotations` setting",
        ),
        {"service_annotations": "prometheus.io/*,example.com/team"},
    ),
    "SageMaker where it is off": Refusal(
        Reason.BACKEND_OFF,
        SPEC,
        ("spec.sageMaker", "this backend is not enabled for the operator", "ask an administrator to add sageMaker"),
        {"backends": "inCluster"},
    ),
    "pods where they are off": Refusal(
        Reason.BACKEND_OFF,
        PODS,
        ("spec.inCluster", "this backend is not enabled for the operator", "ask an administrator to add inCluster"),
        {"backends": "sageMaker"},
    ),
    "a role of another namespace": Refusal(
        Reason.ROLE_NOT_ALLOWED,
        SPEC,
        ("spec.sageMaker.executionRoleARN", "role/tgi-exec-falcon is not allowed", "use an allowed role"),
        permissions=PERMISSIONS,
    ),
    "an endpoint name of another namespace": Refusal(
        Reason.ENDPOINT_NAME_NOT_ALLOWED,
        with_target(endpointName="prod-llm"),
        ("spec.sageMaker.endpointName", "prod-llm", "create a TGIEndpoint without endpointName"),
        permissions=NAMES,
    ),
    "a role of another partition": Refusal(
        Reason.INVALID_SPEC,
        with_target(executionRoleARN="arn:aws-cn:iam::111122223333:role/tgi"),
        ("spec.sageMaker.executionRoleARN", "aws-cn", "use a role whose ARN begins with arn:aws:iam::"),
    ),
    "a version without an image": Refusal(
        Reason.UNKNOWN_VERSION,
        with_runtime(version="9.9.9"),
        ("spec.runtime.version", "9.9.9", "3."),
    ),
    "an instance whose GPU is too old": Refusal(
        Reason.UNSUPPORTED_INSTANCE_TYPE,
        with_target(instanceType="ml.p3.2xlarge"),
        ("spec.sageMaker.instanceType", "ml.p3.2xlarge", "ml.g5"),
    ),
    "a GPU that is too old": Refusal(
        Reason.UNSUPPORTED_GPU,
        {**PODS, "inCluster": {"gpu": {"products": ["Tesla-V100-SXM2-16GB"]}}},
        ("spec.inCluster.gpu.products", "Tesla-V100-SXM2-16GB cannot run TGI", "remove Tesla-V100-SXM2-16GB"),
    ),
    "a GPU without an image": Refusal(
        Reason.UNSUPPORTED_GPU,
        {**PODS, "inCluster": {"gpu": {"resourceName": "habana.ai/gaudi"}}},
        ("spec.inCluster.gpu.resourceName", "habana.ai/gaudi", "set spec.runtime.image"),
    ),
    "two slices on GKE": Refusal(
        Reason.INVALID_SPEC,
        {
            **PODS,
            "inCluster": {
                "gpu": {"count": 2},
                "nodeSelector": {"cloud.google.com/gke-gpu-partition-size": "1g.5gb"},
            },
        },
        ("spec.inCluster.gpu.count", "1g.5gb", "set it to 1"),
    ),
    "two shards on a slice": Refusal(
        Reason.INVALID_NUM_SHARD,
        {**PODS, "runtime": {"numShard": 2}, "inCluster": {"gpu": {"resourceName": "nvidia.com/mig-3g.20gb"}}},
        ("spec.runtime.numShard", "nvidia.com/mig-3g.20gb", "request whole GPUs"),
    ),
    "more shards than GPUs": Refusal(
        Reason.INVALID_NUM_SHARD,
        with_runtime(numShard=8),
        ("spec.runtime.numShard", "is 8", "use at most 4"),
    ),
    "a variable that locks everybody out": Refusal(
        Reason.CONFLICTING_OPTIONS,
        with_runtime(env=[{"name": "API_KEY", "value": "x"}]),
        ("spec.runtime.env", "API_KEY", "remove API_KEY"),
    ),
}


@pytest.fixture(params=REFUSALS)
def refusal(request: pytest.FixtureRequest) -> Refusal:
    return REFUSALS[request.param]


def settings(refusal: Refusal, folder: Path) -> dict[str, str]:
    """Return the settings of a refusal as variables, with the administrators' file if it has one."""
    if refusal.permissions is None:
        return dict(refusal.settings)
    file = folder / FILE
    file.write_text(yaml.safe_dump(refusal.permissions))
    return {**refusal.settings, "allowed_roles_file": str(file)}


def test_plan_reports_what_the_operator_refuses_in_the_same_words(
    refusal: Refusal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = settings(refusal, tmp_path)
    with Simulation(**Settings.read(given, {}).model_dump()) as simulation:
        simulation.apply(refusal.spec, KEY)
        simulation.run_until(lambda: simulation.reason("Stalled", KEY) == refusal.reason, within=60)
        message = simulation.condition("Ready", KEY)["message"]
    metadata = {"namespace": KEY.namespace, "name": KEY.name}
    manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": dict(refusal.spec)}
    file = tmp_path / "endpoint.yaml"
    file.write_text(yaml.safe_dump(manifest))
    for name, value in given.items():
        monkeypatch.setenv(f"{PREFIX}{name.upper()}", value)
    assert main(["plan", "-f", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"{KEY.namespace}/{KEY.name}: {refusal.reason}: {message}\n"
    for part in refusal.parts:
        assert part in message


def test_every_reason_of_a_rule_is_in_the_table() -> None:
    named = set()
    for rule in RULES:
        found = re.findall(r"Problem\(\s*Reason\.(\w+)", (PACKAGE / rule).read_text())
        assert found, rule
        named |= {Reason[name] for name in found}
    assert named == {refusal.reason for refusal in REFUSALS.values()}
