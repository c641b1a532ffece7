"""KEDA: the files and variables of its two programs, and its custom resources."""

from pathlib import Path
from typing import Any

import yaml

from tgi_sandbox.cluster import build
from tgi_sandbox.cluster.api import ApiServer
from tgi_sandbox.cluster.authority import Authority, Purpose
from tgi_sandbox.cluster.metrics.apis import EXTERNAL_METRICS
from tgi_sandbox.cluster.programs import KEDA

# The name under which the metrics server calls the operator.
OPERATOR_HOST = f"keda-operator.{EXTERNAL_METRICS.namespace}.svc"

_MODULE = "github.com/kedacore/keda/v2"


def definitions() -> list[dict[str, Any]]:
    """Return KEDA's custom resource definitions, from its module, which Go downloads unless it is cached."""
    folder = build.source(KEDA, _MODULE) / "config" / "crd" / "bases"
    return [yaml.safe_load(path.read_text()) for path in sorted(folder.glob("*.yaml"))]


def install(api: ApiServer) -> None:
    """Create the custom resource definitions."""
    for definition in definitions():
        api.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)


def environment() -> dict[str, str]:
    """Return the variables for the programs' own namespace, and for watching all namespaces."""
    namespace = EXTERNAL_METRICS.namespace
    return {"POD_NAMESPACE": namespace, "KEDA_CLUSTER_OBJECT_NAMESPACE": namespace, "WATCH_NAMESPACE": ""}


def write_certificates(folder: Path, authority: Authority) -> None:
    """Write the certificate for both programs as servers, and for the metrics server as the operator's client."""
    folder.mkdir(exist_ok=True)
    (folder / "ca.crt").write_text(authority.certificate)
    for name in ("tls.crt", "tls.key"):
        (folder / name).unlink(missing_ok=True)
    authority.issue(folder / "tls.key", [OPERATOR_HOST, EXTERNAL_METRICS.host], [Purpose.SERVER, Purpose.CLIENT])
    (folder / "tls.crt").symlink_to("tls.key")
