"""A cluster for installations of the operator, with the programs that install it."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from tgi_sandbox.cluster import ControlPlane
from tgi_sandbox.cluster.credentials import write_kubeconfig
from unit.chart.rendering import ROOT, Object, program

NAMESPACE = "tgi-system"


@dataclass(frozen=True)
class Cluster:
    """A control plane, and the installations in it."""

    plane: ControlPlane

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl as the administrator; return its output."""
        return self._run("kubectl", arguments, stdin, check)

    def helm(self, *arguments: str) -> str:
        """Run Helm as the administrator; return its output."""
        return self._run("helm", arguments, None, check=True)

    def apply(self, *items: Object) -> None:
        """Apply objects."""
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(items))

    def exists(self, kind: str, name: str) -> bool:
        """Return whether such an object exists in the operator's namespace, or without a namespace."""
        return bool(self.kubectl("get", kind, name, "-n", NAMESPACE, "-o", "name", "--ignore-not-found"))

    def token_of(self, service_account: str) -> str:
        """Return a token like those of the pods of a service account."""
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{service_account}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        return str(self.plane.api.request("POST", path, body)["status"]["token"])

    def kubeconfig_of(self, service_account: str, path: Path) -> Path:
        """Write and return a kubeconfig with such a token."""
        authority = self.plane.layout.certificate_authority.read_text()
        write_kubeconfig(path, self.plane.api.url, authority, self.token_of(service_account))
        return path

    def may(self, verb: str, resource: str, namespace: str = "", group: str = "") -> bool:
        """Return whether the operator is allowed to do this, in all namespaces if none is given."""
        attributes = {"verb": verb, "resource": resource, "namespace": namespace, "group": group}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": f"system:serviceaccount:{NAMESPACE}:tgi-operator", "resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool(self.plane.api.request("POST", path, review)["status"]["allowed"])

    def _run(self, name: str, arguments: tuple[str, ...], stdin: str | None, check: bool) -> str:
        command = [program(name), "--kubeconfig", str(self.plane.kubeconfig), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)
        if check:
            assert done.returncode == 0, done.stderr
        return done.stdout if check else done.stdout + done.stderr
