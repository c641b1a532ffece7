"""The operator works with the rights it is installed with, in all namespaces or in those it watches."""

import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from integration.install.cluster import NAMESPACE, Cluster
from tgi_sandbox.operator import OperatorProcess
from unit.chart.rendering import Object, rendered
from waiting import wait_until

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


def _serves(cluster: Cluster, folder: Path, watched: str, children: str = CHILDREN, **settings: str) -> None:
    """Let the operator make these objects with nothing but the rights of its service account."""
    cluster.apply(SECRET, ENDPOINT)
    kubeconfig = cluster.kubeconfig_of("tgi-operator", folder / "kubeconfig")
    log = folder / "operator.log"
    with OperatorProcess(kubeconfig, {}, log, watch_namespaces=watched, **settings):
        deadline = time.monotonic() + _WAIT_SECONDS
        while len(cluster.kubectl("get", children, "-n", "ml", "-o", "name").splitlines()) <= children.count(","):
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


def test_network_policies_come_and_go_with_the_rights_that_the_setting_gives(cluster: Cluster, tmp_path: Path) -> None:
    _install(cluster, {"networkPolicy": {"servingPodsFrom": ["gateway"]}})
    _serves(cluster, tmp_path, "", f"{CHILDREN},networkpolicies", serving_pods_from="gateway")
    log = tmp_path / "operator.log"
    with OperatorProcess(tmp_path / "kubeconfig", {}, log, serving_pods_from="*"):
        wait_until(lambda: not cluster.kubectl("get", "networkpolicies", "-n", "ml", "-o", "name"), log.read_text)
    assert "orbidden" not in log.read_text()


def test_with_sagemaker_only_the_operator_starts_without_permissions_on_pods(cluster: Cluster, tmp_path: Path) -> None:
    _install(cluster, {"backends": ["sageMaker"]})
    cluster.apply(SECRET, ENDPOINT)
    kubeconfig = cluster.kubeconfig_of("tgi-operator", tmp_path / "kubeconfig")
    log = tmp_path / "operator.log"
    with OperatorProcess(kubeconfig, {}, log, backends="sageMaker"):
        reason = "jsonpath={.status.conditions[?(@.type=='Stalled')].reason}"
        wait_until(
            lambda: cluster.kubectl("get", "tgi", "zephyr", "-n", "ml", "-o", reason) == "BackendOff", log.read_text
        )
        cluster.kubectl("delete", "tgi", "zephyr", "-n", "ml", "--timeout=20s")
    assert "orbidden" not in log.read_text()
    for resource, group in (("deployments", "apps"), ("pods", ""), ("jobs", "batch"), ("nodes", "")):
        assert not cluster.may("list", resource, group=group)


def _scrape(operator: OperatorProcess, token: str) -> int:
    url = f"http://127.0.0.1:{operator.port}/metrics"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - loopback
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_metrics_are_for_the_service_accounts_that_are_bound_to_their_role(cluster: Cluster, tmp_path: Path) -> None:
    _install(cluster, {"settings": {"metricsAuth": "on"}})
    for name in ("prometheus", "curious"):
        cluster.kubectl("create", "serviceaccount", name, "-n", NAMESPACE)
    reader = ("clusterrolebinding", "prometheus", "--clusterrole=tgi-operator-metrics-reader")
    cluster.kubectl("create", *reader, f"--serviceaccount={NAMESPACE}:prometheus")
    kubeconfig = cluster.kubeconfig_of("tgi-operator", tmp_path / "kubeconfig")
    with OperatorProcess(kubeconfig, {}, tmp_path / "operator.log", metrics_auth="on") as operator:
        assert _scrape(operator, cluster.token_of("prometheus")) == 200
        assert _scrape(operator, cluster.token_of("curious")) == 401
        assert _scrape(operator, "invented") == 401
