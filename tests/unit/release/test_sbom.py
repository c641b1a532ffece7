"""The list of materials contains all Python packages of the image, and nothing else."""

import json
import subprocess
import tomllib
from typing import Any

import pytest

from unit.docs.pages import ROOT


@pytest.fixture(scope="module")
def bom(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the output of `make sbom`."""
    file = tmp_path_factory.mktemp("sbom") / "sbom.cdx.json"
    subprocess.run(["make", "--silent", "sbom", f"SBOM={file}"], check=True, cwd=ROOT, timeout=120)
    return dict(json.loads(file.read_text()))


def _needed() -> dict[str, str]:
    """Return the versions of the operator's dependencies and of theirs, from the lock."""
    packages = {package["name"]: package for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    found, waiting = set[str](), ["tgi-operator"]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [needed["name"] for needed in packages[name].get("dependencies", ())]
    return {name: packages[name]["version"] for name in found if name != "tgi-operator"}


def test_it_is_cyclonedx_of_the_operator(bom: dict[str, Any]) -> None:
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.5")
    assert bom["metadata"]["component"]["name"] == "tgi-operator"


def test_every_dependency_is_in_it_with_its_version(bom: dict[str, Any]) -> None:
    listed = {component["name"]: component["version"] for component in bom["components"]}
    needed = _needed()
    assert {"kopf", "boto3", "huggingface-hub", "tzdata", "urllib3"} <= needed.keys()
    assert needed == listed


def test_neither_tools_nor_the_sdk_are_in_it(bom: dict[str, Any]) -> None:
    assert not {"sagemaker", "pytest", "ruff", "moto", "tgi-sandbox"} & {item["name"] for item in bom["components"]}


def test_every_component_can_be_looked_up(bom: dict[str, Any]) -> None:
    assert all(item["purl"].startswith("pkg:pypi/") for item in bom["components"])
