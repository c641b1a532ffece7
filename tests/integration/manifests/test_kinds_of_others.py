"""Every object of Argo CD, Flux, the Prometheus Operator and KEDA that is shipped, documented, installed or created.

An API server with the projects' own definitions accepts each of them, and knows every field in it.
"""

import copy
import subprocess
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from integration.definitions import install, resources
from made import made
from tgi_sandbox.cluster import ControlPlane
from tgi_sandbox.cluster.api import ApiError
from tgi_sandbox.cluster.definitions import definitions
from tgi_sandbox.cluster.metrics import keda
from unit.chart.given import EVERYTHING
from unit.chart.rendering import MANIFESTS, ROOT, Object, objects, rendered
from unit.docs import pages

_GROUPS = ("argoproj.io", ".fluxcd.io", "monitoring.coreos.com", "keda.sh")

_APPLIED = "| kubectl apply -f -"


def _shipped() -> Iterator[Object]:
    """Yield the objects of all files, except the chart's."""
    for file in sorted(MANIFESTS.rglob("*.yaml")):
        if "chart" not in file.parts:
            yield from objects(file.read_text())


def _shown() -> Iterator[Object]:
    """Yield the objects of all pages, including those that a shell command creates for kubectl."""
    for page in pages.PAGES:
        yield from pages.objects(page)
        for block in pages.blocks(page):
            if block.language == "bash" and _APPLIED in block.text:
                command = ["bash", "-c", block.text.replace(_APPLIED, "")]
                yield from objects(
                    subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout
                )


SOURCES: dict[str, Callable[[], Iterable[Object]]] = {
    "manifests": _shipped,
    "documents": _shown,
    "the chart": lambda: rendered(EVERYTHING),
    "the operator": made,
}

KINDS = {
    "manifests": {"Application", "GitRepository", "Kustomization", "PodMonitor"},
    "documents": {"Application", "Kustomization", "PrometheusRule", "ScaledObject"},
    "the chart": {"PrometheusRule", "ServiceMonitor"},
    "the operator": {"PodMonitor", "ScaledObject"},
}
"""Kinds that are expected, so that a change of the sources cannot leave nothing to check."""


def _of_others(source: str) -> list[Object]:
    found = SOURCES[source]()
    return [item for item in found if str(item.get("apiVersion")).partition("/")[0].endswith(_GROUPS)]


Create = Callable[[Object], Object]


@pytest.fixture(scope="module")
def known(control_plane: ControlPlane) -> dict[str, Object]:
    """Return the definitions by kind, all of them installed."""
    found = [*definitions(), *keda.definitions()]
    install(control_plane.api, *found)
    return {definition["spec"]["names"]["kind"]: definition for definition in found}


@pytest.fixture
def create(control_plane: ControlPlane, known: dict[str, Object]) -> Create:
    """Return a function that creates an object without storing it."""
    namespace = control_plane.create_namespace()

    def created(item: Object) -> Object:
        wanted = copy.deepcopy(item)
        wanted["metadata"]["namespace"] = namespace
        path = resources(known[item["kind"]], namespace)
        return control_plane.api.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", wanted)

    return created


@pytest.mark.parametrize("source", SOURCES)
def test_they_are_let_in(create: Create, source: str) -> None:
    found = _of_others(source)
    for item in found:
        create(item)
    assert {item["kind"] for item in found} == KINDS[source]


@pytest.mark.parametrize(
    ("source", "kind", "change", "complaint"),
    [
        ("documents", "Kustomization", {"driftIgnoreRules": []}, "unknown field"),
        ("manifests", "Application", {"project": 1}, "must be of type string"),
        ("the chart", "ServiceMonitor", {"endpoints": [{"interval": "soon"}]}, "should match"),
        ("the operator", "ScaledObject", {"triggers": [{"type": "prometheus"}]}, "Required value"),
    ],
)
def test_a_fault_is_told(create: Create, source: str, kind: str, change: dict[str, Any], complaint: str) -> None:
    item = next(item for item in _of_others(source) if item["kind"] == kind)
    with pytest.raises(ApiError, match=complaint):
        create(item | {"spec": item["spec"] | change})
