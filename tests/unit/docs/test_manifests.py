"""The resources in documents and examples can work, and what installs the operator renders."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tgi_operator.cli.plan import planned, resources
from tgi_operator.handlers import STOP_SECONDS
from tgi_operator.leadership import lease
from tgi_operator.settings import Settings
from tgi_sandbox.cluster import build
from unit.docs import pages
from unit.docs.pages import PAGES, ROOT

MANIFESTS = ROOT / "manifests"

Manifest = dict[str, Any]


def _resources() -> Iterator[tuple[str, Manifest]]:
    for page in PAGES:
        for block in pages.blocks(page):
            if block.language == "yaml":
                yield from ((f"{page.name}: {item['metadata']['name']}", item) for item in resources(block.text))
    for file in (MANIFESTS / "examples").glob("*.yaml"):
        yield from ((f"{file.name}: {item['metadata']['name']}", item) for item in resources(file.read_text()))


SHOWN = dict(_resources())


@pytest.fixture(scope="module")
def rendered() -> dict[str, list[Manifest]]:
    """Return what `kubectl apply -k manifests` would apply, by kind."""
    found = build.find(["kubectl"])
    assert found, "there is no kubectl: run tgi-sandbox build"
    command = [str(found["kubectl"]), "kustomize", str(MANIFESTS)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    kinds: dict[str, list[Manifest]] = {}
    for manifest in yaml.safe_load_all(text):
        kinds.setdefault(manifest["kind"], []).append(manifest)
    return kinds


def test_there_are_resources() -> None:
    assert len(SHOWN) >= 4


@pytest.mark.parametrize("name", SHOWN)
def test_every_resource_shown_can_work(name: str) -> None:
    documents = list(planned(SHOWN[name], "ml"))
    if "inCluster" in SHOWN[name]["spec"]:
        assert {"Deployment", "Service", "PodDisruptionBudget"} <= {document["kind"] for document in documents}
    else:
        assert [call for document in documents for call in document] == [
            "CreateModel",
            "CreateEndpointConfig",
            "CreateEndpoint",
        ]


def test_what_is_installed_is_complete(rendered: dict[str, list[Manifest]]) -> None:
    assert {kind: len(items) for kind, items in rendered.items()} == {
        "CustomResourceDefinition": 1,
        "Namespace": 1,
        "ServiceAccount": 1,
        "ClusterRole": 1,
        "ClusterRoleBinding": 1,
        "Role": 1,
        "RoleBinding": 1,
        "Deployment": 1,
    }
    assert rendered["CustomResourceDefinition"][0] == yaml.safe_load((ROOT / "crds" / "tgiendpoints.yaml").read_text())
    assert rendered["ServiceAccount"][0]["metadata"]["namespace"] == "tgi-system"


def test_the_rights_are_those_documented(rendered: dict[str, list[Manifest]]) -> None:
    granted: dict[str, str] = {}
    for kind in ("ClusterRole", "Role"):
        for rule in rendered[kind][0]["rules"]:
            for resource in rule["resources"]:
                granted[resource] = ", ".join([*filter(None, [granted.get(resource)]), *rule["verbs"]])
    documented = {row[0].split(" ")[0]: row[1] for row in pages.table(ROOT / "docs" / "operations.md", "resource")}
    assert granted == documented


def test_the_lease_is_the_only_one_it_may_change(rendered: dict[str, list[Manifest]]) -> None:
    (role,) = rendered["Role"]
    assert role["metadata"]["namespace"] == "tgi-system"
    assert [rule["verbs"] for rule in role["rules"] if rule.get("resourceNames") != [lease.NAME]] == [["create"]]


def test_two_pods_take_turns_within_the_grace_period(rendered: dict[str, list[Manifest]]) -> None:
    deployment = rendered["Deployment"][0]["spec"]
    pod = deployment["template"]["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"]["type"] == "RollingUpdate"
    assert {"name": "TGI_OPERATOR_LEADER_ELECTION", "value": "on"} in pod["containers"][0]["env"]
    (apart,) = pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert (
        apart["podAffinityTerm"]["labelSelector"]["matchLabels"].items()
        <= deployment["selector"]["matchLabels"].items()
    )
    # What kopf waits for the end, before the kubelet does it.
    assert pod["terminationGracePeriodSeconds"] > STOP_SECONDS


def test_the_pod_fits_the_restricted_standard_and_the_settings(rendered: dict[str, list[Manifest]]) -> None:
    pod = rendered["Deployment"][0]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {"name": "TGI_OPERATOR_IMAGE", "value": container["image"]} in container["env"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert f"USER {pod['securityContext']['runAsUser']}:" in (ROOT / "Dockerfile").read_text()
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert [port["containerPort"] for port in container["ports"]] == [Settings().http_port]
    paths = [container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")]
    assert paths == ["/healthz", "/readyz"]


@pytest.mark.parametrize("file", sorted((MANIFESTS / "examples").iterdir()), ids=lambda file: file.name)
def test_examples_say_what_they_are_for(file: Path) -> None:
    assert file.suffix == ".yaml"
    assert file.read_text().startswith("# ")
