"""docs/install.md, followed verbatim on the sandbox: EKS with either kind of credentials, and kubectl."""

import re

import pytest

from e2e import rights
from e2e.conftest import until
from e2e.installations import ALL
from e2e.pages.newcomer import IMPATIENT, Newcomer, made
from integration import definitions
from tgi_sandbox.aws.server import AwsDouble
from tgi_sandbox.cluster import ControlPlane
from tgi_sandbox.cluster.definitions import definitions as known
from unit.docs import pages
from unit.docs.pages import ROOT

PAGE = ROOT / "docs" / "install.md"
POD_IDENTITY, IRSA = "create-pod-identity-association", "create-open-id-connect-provider"
REGISTRY = ("aws ecr", "docker ")


def section(heading: str) -> list[str]:
    """Return the shell blocks under a heading of the page."""
    return [block.text for block in pages.blocks(PAGE, heading) if block.language == "sh"]


pytestmark = pytest.mark.installation("all")


@pytest.mark.parametrize(("chosen", "other"), [(POD_IDENTITY, IRSA), (IRSA, POD_IDENTITY)], ids=["pods", "irsa"])
def test_eks(newcomer: Newcomer, plane: ControlPlane, aws: AwsDouble, chosen: str, other: str) -> None:
    steps = [block for block in section("On EKS") if not block.startswith(REGISTRY) and other not in block]
    assert any(chosen in block for block in steps)
    *deploy, delete = steps
    (install,) = (position for position, block in enumerate(deploy) if block.startswith("helm "))
    said = newcomer.follow(*deploy[:install], IMPATIENT, *deploy[install:])
    assert re.search(r"zephyr-7b +True +InService", said)
    assert {entry.access_key[:4] for entry in aws.control.requests() if entry.operation == "CreateEndpoint"} == {"ASIA"}

    # The policy applies to names that begin with the namespace ml.
    newcomer.follow("sed '/namespace: ml/d' manifests/examples/tgiendpoint.yaml | kubectl apply -f -")
    read = "kubectl get tgi zephyr-7b -o jsonpath='{.status.conditions[*].reason}{.status.conditions[*].message}'"
    until(lambda: "AccessDenied" in newcomer.follow(read), lambda: newcomer.follow(read))
    assert "sagemaker:" in newcomer.follow(read)

    newcomer.follow(delete)
    assert 403 not in {code for _, code in rights.used(plane.layout.directory, [ALL])}
    # Its roles are deleted with it, and the leader can no longer release its Lease.
    rights.withdraw(plane, rights.EVERYWHERE)
    newcomer.follow(*section("Uninstall"))
    assert made(aws) == []


def test_kubectl(newcomer: Newcomer, plane: ControlPlane, aws: AwsDouble) -> None:
    # A cluster with an existing installation of the Prometheus Operator: its monitors are watched from the start.
    definitions.install(plane.api, *(each for each in known() if each["spec"]["names"]["kind"] == "PodMonitor"))
    apply, *_ = section("With kubectl")
    newcomer.follow(apply)
    assert "deployment" in newcomer.follow("kubectl --namespace tgi-system get deployment -o name")
    # Without a role, the operator starts, and reports the missing permission.
    newcomer.follow("kubectl create namespace ml", "kubectl apply -f manifests/examples/tgiendpoint.yaml")
    read = "kubectl --namespace ml get tgi zephyr-7b -o jsonpath='{.status.conditions[*].reason}'"
    until(lambda: "AccessDenied" in newcomer.follow(read), lambda: newcomer.follow(read))
    assert made(aws) == []

    # A watch is in the audit log once it has ended.
    newcomer.follow("kubectl --namespace tgi-system scale deployment/tgi-operator --replicas=0")
    holder = "kubectl --namespace tgi-system get lease tgi-operator -o jsonpath='{.spec.holderIdentity}'"
    until(lambda: newcomer.follow(holder) == "", lambda: newcomer.follow(holder))
