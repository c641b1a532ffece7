"""The operator works with the rights it is installed with, in all namespaces or in those it watches."""

import time
from pathlib import Path
from typing import Any

from integration.install.cluster import NAMESPACE, Cluster
from tgi_sandbox.operator import OperatorProcess
from unit.chart.rendering import Object, rendered

CHILDREN = "deployments,services,poddisruptionbudgets"

_WAIT_SECONDS = 30.0

ENDPOINT: Object = {
    "apiVersion": "tgi-operator.dev/v1alpha1",
    "kind": "TGIEndpoint",
    "metadata": {"name": "zephyr", "namespace": "ml"},
    "spec": {
        "model": {"uri": "hf://HuggingFaceH4/zephyr-7b-beta", "tokenSecretRef": {"name": "hub", "key": "token"}},
        "inCluster": {},
    },
}

SECRET: Object = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "hub", "namespace": "ml", "labels": {"tgi-operator.dev/allow-use": "true"}},
    "stringData": {"token": "hf_x"},
}


def _namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _install(cluster: Cluster, values: dict[str, Any]) -> None:
    cluster.apply(*map(_namespace, (NAMESPACE, "ml", "other")))
    cluster.apply(*rendered(values))
    cluster.kubectl("wait", "--for=condition=Established", "crd/tgiendpoints.tgi-operator.dev")


def _serves(cluster: Cluster, folder: Path, watched: str) -> None:
    """Let the operator make a Deployment with nothing but the rights of its service account."""
    cluster.apply(SECRET, ENDPOINT)
    kubeconfig = cluster.kubeconfig_of("tgi-operator", folder / "kubeconfig")
    log = folder / "operator.log"
    with OperatorProcess(kubeconfig, {}, log, watch_namespaces=watched):
        deadline = time.monotonic() + _WAIT_SECONDS
        while len(cluster.kubectl("get", CHILDREN, "-n", "ml", "-o", "name").splitlines()) < 3:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        events = cluster.kubectl("get", "events.events.k8s.io", "-n", "ml", "-o", "name")
    assert events
    assert "orbidden" not in log.read_text()


def test_the_operator_serves_all_namespaces_with_the_rights_it_is_given(cluster: Cluster, tmp_path: Path) -> None:
    _install(cluster, {})
    _serves(cluster, tmp_path, "")
    assert cluster.may("list", "secrets")
    assert not cluster.may("create", "secrets", "ml")


def test_the_operator_serves_one_namespace_and_is_let_into_no_other(cluster: Cluster, tmp_path: Path) -> None:
    _install(cluster, {"watchNamespaces": ["ml"]})
    _serves(cluster, tmp_path, "ml")
    for verb in ("get", "list", "watch"):
        assert cluster.may(verb, "secrets", "ml")
        assert not cluster.may(verb, "secrets", "other")
        assert not cluster.may(verb, "secrets", NAMESPACE)
        assert not cluster.may(verb, "secrets")
    assert not cluster.may("create", "deployments", "other", "apps")
    assert not cluster.may("list", "pods")
    assert cluster.may("list", "nodes")
    assert cluster.may("create", "leases", NAMESPACE, "coordination.k8s.io")
    assert not cluster.may("create", "leases", "ml", "coordination.k8s.io")
