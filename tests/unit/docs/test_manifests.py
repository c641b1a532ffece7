"""The resources in documents and examples can work, and what installs the operator renders."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tgi_operator.cli.plan import planned, resources
from tgi_operator.settings import Settings
from unit.docs import kustomize, pages
from unit.docs.pages import PAGES, ROOT

MANIFESTS = ROOT / "manifests"

Manifest = dict[str, Any]


def _resources() -> Iterator[tuple[str, Manifest]]:
    for page in PAGES:
        for block in pages.blocks(page):
            if block.language == "yaml":
                yield from ((f"{page.name}: {item['metadata']['name']}", item) for item in resources(block.text))
    for file in (*(MANIFESTS / "examples").glob("*.yaml"), MANIFESTS / "argocd" / "example" / "endpoints.yaml"):
        yield from ((f"{file.name}: {item['metadata']['name']}", item) for item in resources(file.read_text()))


SHOWN = dict(_resources())


@pytest.fixture(scope="module")
def rendered() -> dict[str, list[Manifest]]:
    """Return what `kubectl apply -k manifests` would apply, by kind."""
    kinds: dict[str, list[Manifest]] = {}
    for manifest in kustomize.render(MANIFESTS):
        kinds.setdefault(manifest["kind"], []).append(manifest)
    return kinds


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_yaml_shown_is_a_manifest(page: Path) -> None:
    for block in pages.blocks(page):
        if block.language == "yaml":
            for manifest in yaml.safe_load_all(block.text):
                assert {"apiVersion", "kind", "metadata"} <= set(manifest), block.text


def test_there_are_resources() -> None:
    assert len(SHOWN) >= 4


@pytest.mark.parametrize("name", SHOWN)
def test_every_resource_shown_can_work(name: str) -> None:
    documents = list(planned(SHOWN[name], "ml"))
    if "inCluster" in SHOWN[name]["spec"]:
        assert {"Deployment", "Service", "PodDisruptionBudget"} <= {document["kind"] for document in documents}
    else:
        creates = ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]
        scales = ["RegisterScalableTarget", "PutScalingPolicy"] if "autoscaling" in SHOWN[name]["spec"] else []
        assert [call for document in documents for call in document] == creates + scales


def test_what_is_installed_is_complete(rendered: dict[str, list[Manifest]]) -> None:
    assert {kind: len(items) for kind, items in rendered.items()} == {
        "CustomResourceDefinition": 1,
        "Namespace": 1,
        "ServiceAccount": 1,
        "ClusterRole": 1,
        "ClusterRoleBinding": 1,
        "Deployment": 1,
    }
    assert rendered["CustomResourceDefinition"][0] == yaml.safe_load((ROOT / "crds" / "tgiendpoints.yaml").read_text())
    assert rendered["ServiceAccount"][0]["metadata"]["namespace"] == "tgi-system"


def test_the_rights_are_those_documented(rendered: dict[str, list[Manifest]]) -> None:
    granted = {
        resource: ", ".join(rule["verbs"])
        for rule in rendered["ClusterRole"][0]["rules"]
        for resource in rule["resources"]
    }
    documented = {row[0].split(" ")[0]: row[1] for row in pages.table(ROOT / "docs" / "operations.md", "resource")}
    assert granted == documented


def test_the_pod_fits_the_restricted_standard_and_the_settings(rendered: dict[str, list[Manifest]]) -> None:
    pod = rendered["Deployment"][0]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert rendered["Deployment"][0]["spec"]["strategy"] == {"type": "Recreate"}
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
