"""Custom resource definitions: a wait for any of them, and those of other projects, each from its Go module."""

import time
from collections.abc import Iterator
from typing import Any

import yaml

from tgi_sandbox.cluster import build
from tgi_sandbox.cluster.api import ApiServer
from tgi_sandbox.cluster.programs import DEFINITIONS

# For each module, only the files of resources in this repository: all files are ten times as much.
_FILES = {
    "github.com/argoproj/argo-cd/v3": ("manifests/crds/application-crd.yaml",),
    "github.com/fluxcd/kustomize-controller": ("config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",),
    "github.com/fluxcd/source-controller": ("config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml",),
    "github.com/prometheus-operator/prometheus-operator": (
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ),
}

_ESTABLISHED_SECONDS = 30.0


def wait_established(api: ApiServer, name: str) -> None:
    """Wait until the API server accepts a definition. Raises TimeoutError.

    `kubectl wait` fails while the conditions of a new definition are null.
    """
    deadline = time.monotonic() + _ESTABLISHED_SECONDS
    while not _is_established(api.request("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} was not Established within {_ESTABLISHED_SECONDS:g} s")
        time.sleep(0.05)


def _is_established(definition: dict[str, Any]) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []
    return any((each["type"], each["status"]) == ("Established", "True") for each in conditions)


def definitions() -> Iterator[dict[str, Any]]:
    """Yield the definitions; Go downloads the modules, 35 MB, unless they are cached."""
    for module, files in _FILES.items():
        folder = build.source(DEFINITIONS, module)
        yield from (yaml.safe_load((folder / file).read_text()) for file in files)
