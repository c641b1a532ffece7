"""Helm's output for the chart, and kubectl's for `manifests/`."""

import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tgi_sandbox.cluster import build

ROOT = Path(__file__).parents[3]
MANIFESTS = ROOT / "manifests"
CHART = MANIFESTS / "chart" / "tgi-operator"
NAME = "tgi-operator"
RELEASE = (NAME, str(CHART), "--namespace", "tgi-system")

Object = dict[str, Any]


def program(name: str) -> str:
    """Return the path of a program that `make test` builds before the tests."""
    found = build.find([name])
    assert found, f"there is no {name}: run tgi-sandbox build"
    return str(found[name])


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Helm; the caller checks its result."""
    return subprocess.run([program("helm"), *arguments], capture_output=True, text=True, check=False)


def rendered(values: Mapping[str, Any] | None = None, release: str = NAME) -> list[Object]:
    """Return the objects of the chart with these values."""
    done = template(values or {}, release)
    assert done.returncode == 0, done.stderr
    return objects(done.stdout)


def template(values: Mapping[str, Any], release: str = NAME) -> subprocess.CompletedProcess[str]:
    """Run `helm template` with these values, once for all callers."""
    return _template(yaml.safe_dump(dict(values)), release)


@cache
def _template(values: str, release: str) -> subprocess.CompletedProcess[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(values)
        file.flush()
        return helm("template", release, *RELEASE[1:], "--values", file.name)


def kustomized(folder: Path = MANIFESTS) -> list[Object]:
    """Return what `kubectl apply -k` would apply."""
    command = [program("kubectl"), "kustomize", str(folder)]
    return objects(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def objects(text: str) -> list[Object]:
    """Return the objects of a stream of YAML documents."""
    # By libyaml: PyYAML needs half a second for the CRD alone.
    return [item for item in yaml.load_all(text, yaml.CSafeLoader) if item]


def of(items: list[Object], kind: str, name: str = "tgi-operator", namespace: str | None = None) -> Object:
    """Return the one object of a kind and a name."""
    (found,) = (
        item
        for item in items
        if (item["kind"], item["metadata"]["name"]) == (kind, name)
        and namespace in (None, item["metadata"].get("namespace"))
    )
    return found


def container(items: list[Object]) -> dict[str, Any]:
    """Return the operator's container."""
    (deployment,) = kinds(items, "Deployment")
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(found)


def kinds(items: list[Object], kind: str) -> list[Object]:
    """Return all objects of a kind."""
    return [item for item in items if item["kind"] == kind]


def by_identity(items: list[Object]) -> dict[tuple[str, str, str], Object]:
    """Return the objects by kind, namespace and name."""
    found = {_identity(item): item for item in items}
    assert len(found) == len(items)
    return found


def _identity(item: Object) -> tuple[str, str, str]:
    return item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]
