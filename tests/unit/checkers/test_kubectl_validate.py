"""The oldest supported Kubernetes knows every field that is installed, documented or created, and accepts it."""

import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

import argocd
from made import made
from unit.chart.rendering import CHART, ROOT, Object, program
from unit.checkers.given import ALL_ON, BY_DEFAULT, COMMITTED, installed
from unit.docs import pages
from unit.docs.test_manifests import SHOWN

_OURS = "tgi-operator.dev"


def _oldest() -> str:
    wanted = yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"]
    found = re.match(r">=(\d+\.\d+)\.0", wanted)
    assert found, wanted
    return found[1]


def _refused(folder: Path, items: Iterable[Object]) -> list[str]:
    """Return the errors of the objects; the schemas of Kubernetes and of our CRD are known."""
    texts = [yaml.safe_dump(item) for item in items]
    for number, text in enumerate(texts):
        (folder / f"{number}.yaml").write_text(text)
    command = [program("kubectl-validate"), str(folder), "--version", _oldest(), "--output", "json"]
    done = subprocess.run(
        [*command, "--local-crds", str(ROOT / "crds")], capture_output=True, text=True, check=False, timeout=300
    )
    answers = json.loads(done.stdout)
    assert len(answers) == len(texts) > 0, done.stdout + done.stderr
    return [answer["message"] for each in answers.values() for answer in each if answer["status"] != "Success"]


def _known(items: Iterable[Object]) -> list[Object]:
    """Skip the kinds of other projects: tests/integration/manifests has their definitions."""
    return [item for item in items if "." not in (group := _group(item)) or group.endswith((".k8s.io", _OURS))]


def _group(item: Object) -> str:
    return str(item["apiVersion"]).rpartition("/")[0]


@pytest.mark.parametrize("what", [BY_DEFAULT, ALL_ON, COMMITTED])
def test_what_is_installed(what: str, tmp_path: Path) -> None:
    assert not _refused(tmp_path, _known(installed(what)))


def test_every_resource_shown(tmp_path: Path) -> None:
    assert not _refused(tmp_path, SHOWN.values())


def test_what_the_documents_show_of_kubernetes(tmp_path: Path) -> None:
    shown = [item for page in pages.PAGES for item in pages.objects(page) if _group(item) != _OURS]
    assert not _refused(tmp_path, _known(shown))


def test_recorded_resources_with_their_status(tmp_path: Path) -> None:
    files = (argocd.CUSTOMIZATION / "testdata").iterdir()
    assert not _refused(tmp_path, (yaml.safe_load(file.read_text()) for file in files))


def test_what_the_operator_makes(tmp_path: Path) -> None:
    assert not _refused(tmp_path, _known(made()))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"model": {"uri": "hf://a/b", "size": 7}}, "spec.model.size: Invalid value: value provided for unknown field"),
        ({"replicas": "two"}, "spec.replicas: Invalid value"),
        # A rule in CEL.
        ({"inCluster": {}}, "exactly one backend must be set"),
    ],
    ids=["an unknown field", "a wrong type", "a rule"],
)
def test_it_finds_a_fault(change: Object, complaint: str, tmp_path: Path) -> None:
    faulty = next(item for item in SHOWN.values() if "sageMaker" in item["spec"])
    (found,) = _refused(tmp_path, [faulty | {"spec": faulty["spec"] | change}])
    assert complaint in found


def test_it_finds_a_field_that_is_newer(tmp_path: Path) -> None:
    (budget,) = (item for item in installed(BY_DEFAULT) if item["kind"] == "PodDisruptionBudget")
    newer = {"apiVersion": "v1", "kind": "Service", "metadata": budget["metadata"]}
    (found,) = _refused(tmp_path, [newer | {"spec": {"ports": [{"port": 80}], "trafficDistribution": "PreferClose"}}])
    assert "trafficDistribution" in found
