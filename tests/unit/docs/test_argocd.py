"""Argo CD's configuration for TGIEndpoints: their health in every case, and the order of creation and deletion."""

import json
import shutil
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

import argocd
from kstatus import kstatus
from tgi_operator.api.conditions import ConditionUpdate, merge
from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import ConditionStatus, ConditionType, Status
from tgi_operator.backends.plans.verdicts import Verdict, overdue, progressing, serving, stalled, with_verdict
from unit.chart.rendering import kustomized
from unit.docs.pages import ROOT

TESTS = yaml.safe_load((argocd.CUSTOMIZATION / "health_test.yaml").read_text())["tests"]
RESOURCES = {
    test["inputPath"]: yaml.safe_load((argocd.CUSTOMIZATION / test["inputPath"]).read_text()) for test in TESTS
}

NOW = "2026-01-15T12:00:00Z"
GENERATION = 3


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test["inputPath"])
def test_health_of_recorded_resources(test: dict[str, Any]) -> None:
    expected = test["healthStatus"]
    resource = RESOURCES[test["inputPath"]]
    assert argocd.health(resource) == (expected["status"], expected["message"])
    assert argocd.HEALTH_OF_KSTATUS[kstatus(resource)] == expected["status"]


def test_every_recorded_resource_is_tested_and_whole() -> None:
    assert set(RESOURCES) == {f"testdata/{file.name}" for file in (argocd.CUSTOMIZATION / "testdata").iterdir()}
    for resource in RESOURCES.values():
        # As upstream requires it: the output of `kubectl get -o yaml`, and no made-up fragment.
        assert {"uid", "resourceVersion", "generation", "creationTimestamp"} <= set(resource["metadata"])
        assert Status.model_validate(resource["status"])
    assert {test["healthStatus"]["status"] for test in TESTS} == {"Progressing", "Healthy", "Degraded"}


def said(verdict: Verdict, *, scaling_active: bool | None = None) -> Status:
    """Return the status that a backend would write."""
    status = Status()
    if scaling_active is not None:
        value = ConditionStatus.TRUE if scaling_active else ConditionStatus.FALSE
        update = ConditionUpdate(ConditionType.SCALING_ACTIVE, value, Reason.NO_METRICS, "No value.")
        status = status.model_copy(update={"conditions": merge((), [update], generation=GENERATION, now=NOW)})
    return with_verdict(status, GENERATION, verdict, NOW)


def resource_with(status: Status, generation: int = GENERATION) -> dict[str, Any]:
    """Return a resource as Argo CD passes it on."""
    written = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"metadata": {"generation": generation}, "spec": {}, "status": written}


READY = serving(Reason.IN_SERVICE, "It serves.")
TO_ZERO = Verdict(ConditionStatus.TRUE, ConditionStatus.FALSE, Reason.SCALED_TO_ZERO, "No pods are wanted.")
CREATING = progressing(Reason.CREATING, "It is created.", available=False)
UPDATING = progressing(Reason.UPDATING, "It is updated.", available=True)
THROTTLED = progressing(Reason.THROTTLED, "Rate exceeded", available=True)
ROLLED_BACK = stalled(Reason.UPDATE_ROLLED_BACK, "An alarm.", available=True)


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        pytest.param(resource_with(Status(), 1), "Progressing", id="just created, the operator is down"),
        pytest.param(resource_with(said(CREATING)), "Progressing", id="creating"),
        pytest.param(resource_with(said(UPDATING)), "Progressing", id="updating, and serving the old revision"),
        pytest.param(
            resource_with(said(progressing(Reason.ROLLING_BACK, "It returns.", available=True))),
            "Progressing",
            id="rolling back",
        ),
        pytest.param(resource_with(said(THROTTLED)), "Progressing", id="throttled"),
        pytest.param(resource_with(said(ROLLED_BACK)), "Degraded", id="rolled back"),
        pytest.param(
            resource_with(said(stalled(Reason.QUOTA_EXCEEDED, "No more.", available=False))), "Degraded", id="quota"
        ),
        pytest.param(
            resource_with(said(overdue(CREATING, "Too long."))), "Degraded", id="still at work, but for too long"
        ),
        pytest.param(resource_with(said(READY)), "Healthy", id="ready"),
        pytest.param(resource_with(said(TO_ZERO)), "Healthy", id="scaled to zero"),
        pytest.param(resource_with(said(READY), GENERATION + 1), "Progressing", id="ready, but of an older spec"),
        pytest.param(
            resource_with(said(ROLLED_BACK), GENERATION + 1), "Progressing", id="rolled back, and another spec came"
        ),
        pytest.param(resource_with(said(READY, scaling_active=True)), "Healthy", id="follows the load"),
        pytest.param(resource_with(said(READY, scaling_active=False)), "Healthy", id="does not follow the load"),
        pytest.param(resource_with(said(UPDATING, scaling_active=False)), "Progressing", id="updating, without load"),
    ],
)
def test_health_agrees_with_kstatus(resource: dict[str, Any], expected: str) -> None:
    status, message = argocd.health(resource)
    assert status == expected
    assert argocd.HEALTH_OF_KSTATUS[kstatus(resource)] == status
    assert message


def test_without_a_status_it_waits() -> None:
    """An API server without the CRD's defaults; kstatus would report it as current."""
    assert argocd.health({"metadata": {"generation": 1}, "spec": {}}) == ("Progressing", "Waiting for the operator")


def test_the_reason_is_in_the_message() -> None:
    assert argocd.health(resource_with(said(ROLLED_BACK)))[1] == "UpdateRolledBack: An alarm."
    assert argocd.health(resource_with(said(THROTTLED)))[1] == "Throttled: Rate exceeded"


def test_what_is_put_into_argocd_cm_is_the_tested_script() -> None:
    (config,) = kustomized(argocd.MANIFESTS)
    assert (config["metadata"]["namespace"], config["metadata"]["name"]) == ("argocd", "argocd-cm")
    # Argo CD watches only objects with this label.
    assert config["metadata"]["labels"]["app.kubernetes.io/part-of"] == "argocd"
    assert config["data"] == {"resource.customizations.health.tgi-operator.dev_TGIEndpoint": argocd.SCRIPT.read_text()}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository in the layout of the example."""
    for name in ("crds", "manifests"):
        shutil.copytree(ROOT / name, tmp_path / "tgi-operator" / name)
    shutil.copytree(argocd.MANIFESTS / "example", tmp_path / "tgi")
    return tmp_path


def test_the_operator_outlives_the_endpoints_and_the_crd_the_operator(repository: Path) -> None:
    application = yaml.safe_load((argocd.MANIFESTS / "application.yaml").read_text())
    waves: dict[str, set[int]] = {}
    for manifest in kustomized(repository / application["spec"]["source"]["path"]):
        annotations = manifest["metadata"].get("annotations", {})
        waves.setdefault(manifest["kind"], set()).add(int(annotations.get("argocd.argoproj.io/sync-wave", 0)))
    assert waves.pop("CustomResourceDefinition") == {-2}
    assert waves.pop("TGIEndpoint") == {0}
    rights = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
    assert set(waves) == {"Namespace", *rights, "Deployment", "NetworkPolicy", "PodDisruptionBudget"}
    assert all(numbers == {-1} for numbers in waves.values())


def test_self_heal_leaves_the_number_of_replicas() -> None:
    spec = yaml.safe_load((argocd.MANIFESTS / "application.yaml").read_text())["spec"]
    (ignored,) = spec["ignoreDifferences"]
    assert (ignored["group"], ignored["kind"]) == ("tgi-operator.dev", "TGIEndpoint")
    assert ignored["jsonPointers"] == ["/spec/replicas"]
    assert "RespectIgnoreDifferences=true" in spec["syncPolicy"]["syncOptions"]


def test_a_fix_in_git_does_not_wait_for_attempts_at_what_is_broken() -> None:
    retry = yaml.safe_load((argocd.MANIFESTS / "application.yaml").read_text())["spec"]["syncPolicy"]["retry"]
    assert retry["refresh"] is True


def test_the_iam_policy_lets_the_example_be_made() -> None:
    policy = json.loads((ROOT / "manifests" / "iam" / "operator-policy.json").read_text())
    resources = {statement["Sid"]: statement["Resource"] for statement in policy["Statement"]}
    for endpoint in yaml.safe_load_all((argocd.MANIFESTS / "example" / "endpoints.yaml").read_text()):
        sagemaker, name = endpoint["spec"]["sageMaker"], "{namespace}-{name}".format(**endpoint["metadata"])
        assert fnmatch(sagemaker["executionRoleARN"], resources["PassExecutionRole"])
        arn = f"arn:aws:sagemaker:{sagemaker['region']}:111122223333:endpoint/{name}"
        assert any(fnmatch(arn, pattern) for pattern in resources["Own"])
