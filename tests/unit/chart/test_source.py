"""One source: Kustomize installs what the chart renders, and the CRD has one copy."""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

from tgi_operator import __version__
from tgi_operator.cli.plan import planned
from unit.chart.given import EVERYTHING
from unit.chart.rendering import (
    CHART,
    MANIFESTS,
    ROOT,
    Object,
    by_identity,
    container,
    helm,
    kinds,
    kustomized,
    objects,
    rendered,
)

CRD: Object = objects((ROOT / "crds" / "tgiendpoints.yaml").read_text())[0]


def test_kustomize_installs_what_helm_does() -> None:
    """Except for the namespace, which Helm creates itself, and Helm's own annotation on the CRD."""
    chart, manifests = by_identity(rendered()), by_identity(kustomized())
    del manifests["Namespace", "", "tgi-system"]
    crd = chart["CustomResourceDefinition", "", "tgiendpoints.tgi-operator.dev"]
    assert crd["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert crd == CRD
    assert manifests == chart


def test_the_rendered_manifests_are_current() -> None:
    committed = objects((MANIFESTS / "base" / "operator.yaml").read_text())
    assert by_identity(committed) == by_identity(rendered({"crds": {"enabled": False}})), "run make manifests"


def test_an_image_put_into_the_kustomization_is_also_that_of_the_jobs(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "crds", tmp_path / "crds")
    shutil.copytree(MANIFESTS / "base", tmp_path / "manifests" / "base")
    text = (MANIFESTS / "kustomization.yaml").read_text().replace("newName: tgi-operator", "newName: registry/operator")
    (tmp_path / "manifests" / "kustomization.yaml").write_text(text)
    found = container(kustomized(tmp_path / "manifests"))
    assert found["image"] == f"registry/operator:{__version__}"
    assert {"name": "TGI_OPERATOR_IMAGE", "value": found["image"]} in found["env"]


def test_helm_has_nothing_to_say_against_the_chart(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(EVERYTHING))
    for values in ([], ["--values", str(file)]):
        done = helm("lint", "--strict", str(CHART), *values)
        assert done.returncode == 0, done.stdout
        assert "WARNING" not in done.stdout


def test_a_package_has_the_crd_itself(tmp_path: Path) -> None:
    done = helm("package", str(CHART), "--destination", str(tmp_path))
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / f"tgi-operator-{__version__}.tgz") as package:
        names = set(package.getnames())
        crd = package.extractfile("tgi-operator/files/crds/tgiendpoints.yaml")
        assert crd
        assert objects(crd.read().decode()) == [CRD]
    assert not {name for name in names if name.endswith((".gitkeep", "kustomization.yaml"))}


def test_a_release_names_its_image_and_where_the_project_is(tmp_path: Path) -> None:
    chart = tmp_path / "tgi-operator"
    shutil.copytree(CHART, chart)
    known = {
        "IMAGE": "ghcr.io/acme/tgi-operator",
        "DIGEST": f"sha256:{'0' * 64}",
        "PROJECT_URL": "https://github.com/acme/tgi-operator",
        "ICON_URL": "https://raw.githubusercontent.com/acme/tgi-operator/v0.1.0/docs/icon.svg",
    }
    script = [str(ROOT / "ci" / "release-chart.sh"), str(chart)]
    subprocess.run(script, check=True, env=os.environ | known)
    image = container(objects(helm("template", "tgi-operator", str(chart)).stdout))["image"]
    assert image == f"{known['IMAGE']}@{known['DIGEST']}"
    chart_file = yaml.safe_load((chart / "Chart.yaml").read_text())
    assert (chart_file["home"], chart_file["icon"]) == (known["PROJECT_URL"], known["ICON_URL"])
    assert yaml.safe_load(chart_file["annotations"]["artifacthub.io/images"])[0]["image"] == image
    assert "[INFO]" not in helm("lint", "--strict", str(chart)).stdout
    # A second run finds no place for the digest: nothing is published half-written.
    assert subprocess.run(script, check=False, env=os.environ | known | {"DIGEST": "sha256:1"}).returncode != 0


def test_the_chart_says_what_it_is() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == __version__
    said = {name.removeprefix("artifacthub.io/"): text for name, text in chart["annotations"].items()}
    assert yaml.safe_load(said["images"]) == [{"name": "tgi-operator", "image": f"tgi-operator:{__version__}"}]
    (crd,) = yaml.safe_load(said["crds"])
    assert (crd["name"], crd["kind"]) == (CRD["metadata"]["name"], CRD["spec"]["names"]["kind"])
    assert crd["version"] in [version["name"] for version in CRD["spec"]["versions"]]
    (example,) = yaml.safe_load(said["crdsExamples"])
    assert list(planned(example, "ml"))


@pytest.mark.parametrize(
    ("crds", "annotations"),
    [({}, {"helm.sh/resource-policy": "keep"}), ({"keep": False}, None), ({"enabled": False}, ...)],
    ids=str,
)
def test_the_crd_is_kept_given_up_or_left_out(crds: dict[str, bool], annotations: object) -> None:
    found = kinds(rendered({"crds": crds}), "CustomResourceDefinition")
    assert [item["metadata"].get("annotations") for item in found] == ([] if annotations is ... else [annotations])


def test_two_releases_do_not_meet() -> None:
    items = objects(helm("template", "blue", str(CHART), "--namespace", "ops").stdout)
    names = {item["metadata"]["name"] for item in items if item["kind"] != "CustomResourceDefinition"}
    assert all(name.startswith("blue-tgi-operator") for name in names)


def test_every_object_is_labelled_and_in_a_namespace_that_it_names(everything: list[Object]) -> None:
    cluster = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace"}
    for item in [*everything, *kustomized()]:
        if item["kind"] != "CustomResourceDefinition":
            assert item["metadata"]["labels"]["app.kubernetes.io/name"] == "tgi-operator"
        assert ("namespace" in item["metadata"]) == (item["kind"] not in cluster), item["metadata"]
