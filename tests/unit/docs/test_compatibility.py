"""docs/compatibility.md names the tested versions, and the images and GPUs that the operator supports."""

import re
from pathlib import Path

import yaml

from tgi_operator.engines.tgi import images
from tgi_operator.hardware import instances
from unit.docs import pages
from unit.docs.pages import ROOT

PAGE = ROOT / "docs" / "compatibility.md"
CLUSTER = ROOT / "sandbox" / "tgi_sandbox" / "cluster"
ROWS = {row[0]: row[1:] for row in pages.table(PAGE, "component")}


def required(file: Path, module: str) -> str:
    """Return the minor version of a Go module, such as 1.36."""
    found = re.search(rf"{re.escape(module)} v(\d+\.\d+)\.", file.read_text())
    assert found, module
    return found[1]


def test_versions_tested_are_those_of_the_go_modules() -> None:
    tested = {
        "Kubernetes": required(CLUSTER / "go.mod", "k8s.io/kubernetes"),
        "Helm": required(CLUSTER / "modules" / "helm" / "go.mod", "helm.sh/helm/v4"),
        "Kustomize": required(CLUSTER / "modules" / "argocd" / "go.mod", "sigs.k8s.io/kustomize/kustomize/v5"),
        "Argo CD": required(CLUSTER / "modules" / "argocd" / "go.mod", "github.com/argoproj/argo-cd/v3"),
        "KEDA": required(CLUSTER / "modules" / "keda" / "go.mod", "github.com/kedacore/keda/v2"),
        "prometheus-adapter": required(
            CLUSTER / "modules" / "prometheus-adapter" / "go.mod", "sigs.k8s.io/prometheus-adapter"
        ),
    }
    for component, version in tested.items():
        assert re.search(rf"(?<![\d.]){re.escape(version)}(?![\d.]\d)", ROWS[component][1]), component


def test_the_oldest_kubernetes_is_that_of_the_chart() -> None:
    chart = yaml.safe_load((ROOT / "manifests" / "chart" / "tgi-operator" / "Chart.yaml").read_text())
    oldest = chart["kubeVersion"].removeprefix(">=").rpartition(".")[0]
    assert ROWS["Kubernetes"][0] == f"{oldest} and newer"


def test_pythons_are_those_of_the_workflow() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    pythons = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert ROWS["Python, for the command-line tool"][1] == " and ".join(pythons)


def test_releases_are_those_of_the_catalog() -> None:
    releases = {row[0]: row[1] for row in pages.table(PAGE, "backend")}
    on_sagemaker = list(images.catalogue()["versions"])
    assert f"{len(on_sagemaker)} releases from {on_sagemaker[0]} to {on_sagemaker[-1]}," in releases["SageMaker"]
    assert releases["pods"] == f"releases up to {images.releases()['versions'][-1]}"


def test_families_are_those_of_the_table() -> None:
    named = {name.removeprefix("ml.") for row in pages.table(PAGE, "SageMaker family") for name in row[0].split(", ")}
    assert named == set(instances.supported_families())
