"""The custom resource definitions of Argo CD, Flux and the Prometheus operator, each from its project's Go module."""

from collections.abc import Iterator
from typing import Any

import yaml

from tgi_sandbox.cluster import build
from tgi_sandbox.cluster.programs import DEFINITIONS

# Of each module only the files of resources that this repository has: the rest is ten times as much.
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


def definitions() -> Iterator[dict[str, Any]]:
    """Yield the definitions; Go downloads the modules, 35 MB, where it has not yet."""
    for module, files in _FILES.items():
        folder = build.source(DEFINITIONS, module)
        yield from (yaml.safe_load((folder / file).read_text()) for file in files)
