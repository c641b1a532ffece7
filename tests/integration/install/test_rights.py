"""The operator works with the permissions of installations that no end-to-end test covers."""

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from integration.install.cluster import NAMESPACE, Cluster
from tgi_sandbox.cluster.definitions import wait_established
from tgi_sandbox.operator import OperatorProcess
from unit.chart.rendering import Object, rendered
from waiting import wait_until

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
    cluster.apply(*map(_namespace, (NAMESPACE, "ml")))
    cluster.apply(*rendered(values))
    wait_established(cluster.plane.api, "tgiendpoints.tgi-operator.dev")


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
