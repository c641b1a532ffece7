"""The policies that administrators can add, on a real API server."""

import subprocess

import yaml

from integration.install.cluster import Cluster
from tgi_sandbox.cluster.definitions import wait_established
from unit.chart.rendering import MANIFESTS, ROOT, Object, program
from waiting import wait_until

POLICY = MANIFESTS / "policies" / "may-create-pods.yaml"
WRITES: Object = {"apiGroups": ["tgi-operator.dev"], "resources": ["tgiendpoints"], "verbs": ["*"]}
PODS: Object = {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}
REFUSED = "is not allowed to create pods in namespace ml; ask for that permission, or use spec.sageMaker"


def _endpoint(**backend: Object) -> str:
    spec = {"model": {"uri": "hf://a/b"}, **backend}
    meta = {"name": "zephyr", "namespace": "ml"}
    return yaml.safe_dump(
        {"apiVersion": "tgi-operator.dev/v1alpha1", "kind": "TGIEndpoint", "metadata": meta, "spec": spec}
    )


def _tenant(name: str, *rules: Object) -> tuple[Object, Object, Object]:
    """Return a service account of namespace ml with a role of these rules."""
    meta = {"name": name, "namespace": "ml"}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": list(rules)}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "ml"}],
    }
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}, role, binding


def _as(cluster: Cluster, tenant: str, *arguments: str, stdin: str | None = None) -> str:
    """Run kubectl as a tenant; return its output, including errors."""
    user = f"system:serviceaccount:ml:{tenant}"
    command = [program("kubectl"), "--kubeconfig", str(cluster.plane.kubeconfig), "--as", user, "-n", "ml", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)
    return done.stdout + done.stderr


def test_who_may_not_create_pods_runs_none_by_a_tgiendpoint(cluster: Cluster) -> None:
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml"}})
    cluster.kubectl("apply", "-f", str(ROOT / "crds" / "tgiendpoints.yaml"))
    wait_established(cluster.plane.api, "tgiendpoints.tgi-operator.dev")
    cluster.apply(*_tenant("narrow", WRITES), *_tenant("wide", WRITES, PODS))
    cluster.kubectl("apply", "-f", str(POLICY))
    # A policy is in force a moment after its creation.
    dry = ("apply", "--dry-run=server", "-f", "-")
    wait_until(lambda: REFUSED in _as(cluster, "narrow", *dry, stdin=_endpoint(inCluster={})))
    assert "created" in _as(cluster, "wide", "apply", "-f", "-", stdin=_endpoint(inCluster={}))
    assert REFUSED in _as(cluster, "narrow", "apply", "-f", "-", stdin=_endpoint(inCluster={"gpu": {"count": 2}}))
    assert "patched" in _as(
        cluster, "narrow", "patch", "tgi", "zephyr", "--type=merge", "-p", '{"metadata":{"finalizers":["x.dev/y"]}}'
    )
    assert "patched" in _as(
        cluster, "narrow", "patch", "tgi", "zephyr", "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
    )
    assert "deleted" in _as(cluster, "narrow", "delete", "tgi", "zephyr")
    role = "arn:aws:iam::111122223333:role/tgi-exec-ml"
    rented = {"region": "eu-west-1", "executionRoleARN": role, "instanceType": "ml.g5.xlarge"}
    assert "created" in _as(cluster, "narrow", "apply", "-f", "-", stdin=_endpoint(sageMaker=rented))
    assert "deleted" in _as(cluster, "narrow", "delete", "tgi", "zephyr")
    cluster.kubectl("delete", "-f", str(POLICY))
