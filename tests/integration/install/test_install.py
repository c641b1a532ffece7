"""A real API server accepts the objects of Kustomize and Helm, and keeps the required ones when they uninstall."""

import copy
from typing import Any

import yaml

from integration.install.cluster import NAMESPACE, Cluster
from unit.chart.rendering import RELEASE, kustomized, of

CRD = "tgiendpoints.tgi-operator.dev"


def _pod(change: dict[str, Any] | None = None) -> str:
    template = copy.deepcopy(of(kustomized(), "Deployment")["spec"]["template"])
    template["spec"]["containers"][0] |= change or {}
    template["metadata"]["generateName"] = "tgi-operator-"
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", **template})


def test_helm_installs_and_upgrades_and_leaves_the_crd(cluster: Cluster) -> None:
    told = cluster.helm("install", *RELEASE, "--create-namespace", "--set", "metrics.dashboards.enabled=true")
    assert "GPU instances cost money" in told
    assert cluster.exists("configmap", "tgi-operator-tgi-pods")
    cluster.helm("upgrade", *RELEASE, "--set", "replicas=1")
    assert cluster.kubectl("get", "deploy", "tgi-operator", "-n", NAMESPACE, "-o", "jsonpath={.spec.replicas}") == "1"
    assert not cluster.exists("configmap", "tgi-operator-tgi-pods")
    cluster.helm("uninstall", "tgi-operator", "--namespace", NAMESPACE)
    assert not cluster.exists("deployment", "tgi-operator")
    assert not cluster.exists("clusterrole", "tgi-operator-edit")
    assert cluster.exists("crd", CRD)


def test_a_crd_that_is_not_kept_goes_with_the_release(cluster: Cluster) -> None:
    cluster.helm("install", *RELEASE, "--create-namespace", "--set", "crds.keep=false")
    cluster.helm("uninstall", "tgi-operator", "--namespace", NAMESPACE)
    cluster.kubectl("wait", "--for=delete", f"crd/{CRD}", "--timeout=30s")


def test_kustomize_installs_pods_that_the_restricted_standard_lets_in(cluster: Cluster) -> None:
    told = cluster.kubectl("apply", "-k", "manifests")
    assert len(told.splitlines()) == len(kustomized())
    labels = cluster.kubectl("get", "namespace", NAMESPACE, "-o", "jsonpath={.metadata.labels}")
    assert '"pod-security.kubernetes.io/enforce":"restricted"' in labels
    create = ("create", "--dry-run=server", "--namespace", NAMESPACE, "-f", "-")
    assert "created (server dry run)" in cluster.kubectl(*create, stdin=_pod())
    refused = cluster.kubectl(*create, stdin=_pod({"securityContext": {}}), check=False)
    assert 'violates PodSecurity "restricted:latest"' in refused
    assert "unchanged" in cluster.kubectl("apply", "-k", "manifests")


def test_helm_takes_over_what_kustomize_installed(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-k", "manifests")
    cluster.helm("upgrade", "--install", *RELEASE, "--take-ownership")
    cluster.helm("uninstall", "tgi-operator", "--namespace", NAMESPACE)
    assert not cluster.exists("deployment", "tgi-operator")
    assert cluster.exists("crd", CRD)
