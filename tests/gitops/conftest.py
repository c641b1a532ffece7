"""A delivery: Git, Argo CD, an otherwise empty cluster, the operator's process, and the AWS emulator."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml

import argocd
from e2e.conftest import NODES, POLICY, operator_of, until
from e2e.installations import ALL, HOME
from gitops.argo import NAMESPACE, ArgoCD
from gitops.repository import FOLDER, Repository
from integration.install.cluster import Cluster
from tgi_sandbox.aws.server import AwsDouble
from tgi_sandbox.cluster import ControlPlane
from tgi_sandbox.cluster.api import ApiError
from tgi_sandbox.operator import OperatorProcess

SPEED = 24.0
"""Four minutes of AWS pass in ten seconds: long enough for Argo CD to see intermediate states."""

DURATIONS = {"ping_failure": 240.0, "no_capacity": 240.0}
"""Otherwise about six times as long."""

ENDPOINTS = "ml"
"""The namespace of the TGIEndpoints, which the IAM policy is also written for."""

_PATHS = {
    "Application": f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/applications",
    "ConfigMap": f"/api/v1/namespaces/{ENDPOINTS}/configmaps",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "Deployment": f"/apis/apps/v1/namespaces/{HOME}/deployments",
    "TGIEndpoint": f"/apis/tgi-operator.dev/v1alpha1/namespaces/{ENDPOINTS}/tgiendpoints",
}

_REFRESH = "argocd.argoproj.io/refresh=normal"


DELIVERED = replace(ALL, values={})
"""The installation in the repository, which has the default values of the chart."""


@dataclass
class Delivery:
    """All parts, and the state that Argo CD reports."""

    cluster: Cluster
    aws: AwsDouble
    repository: Repository
    argo: ArgoCD
    folder: Path
    operator: OperatorProcess | None = None

    def apply(self, **spec: Any) -> None:
        """Apply manifests/argocd/application.yaml for this repository; `spec` replaces parts of its spec."""
        application = yaml.safe_load((argocd.MANIFESTS / "application.yaml").read_text())
        application["spec"]["source"] |= {"repoURL": self.repository.url, "path": FOLDER}
        # The default is a minute and more between attempts.
        application["spec"]["syncPolicy"]["retry"]["backoff"] = {"duration": "5s", "factor": 1}
        application["spec"] |= spec
        self.cluster.apply(application)

    def push(self, message: str) -> str:
        """Commit, and notify Argo CD like a webhook; return the commit."""
        commit = self.repository.push(message)
        self.kubectl("annotate", "--overwrite", "application/tgi", _REFRESH, namespace=NAMESPACE)
        return commit

    def start_operator(self) -> None:
        """Start the operator as the pods of its Deployment would."""
        self.operator = operator_of(self.cluster.plane, self.aws, self.folder, DELIVERED)
        # Unchanged, because this is the namespace that it is written for.
        self.aws.control.policy(DELIVERED.name, json.loads(POLICY.read_text()))
        self.operator.start()

    def stop_operator(self) -> None:
        """Stop it, like the kubelet when the Deployment is deleted."""
        if self.operator:
            self.operator.stop()

    def kubectl(self, *arguments: str, namespace: str = ENDPOINTS) -> str:
        """Run kubectl in a namespace."""
        return self.cluster.kubectl("-n", namespace, *arguments)

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return an object, None if it or its kind is missing."""
        try:
            return self.cluster.plane.api.request("GET", f"{_PATHS[kind]}/{name}")
        except ApiError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                raise
            return None

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Return an existing object."""
        found = self.find(kind, name)
        assert found, f"there is no {kind} {name}"
        return found

    def application(self) -> dict[str, Any]:
        """Return the Application."""
        return self.get("Application", "tgi")

    def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until `condition` is true; on a timeout, fail with Argo CD's state."""
        until(condition, self.told, seconds)
        self.argo.check()

    def until_synced(self, commit: str) -> None:
        """Wait until a sync of a commit is done."""
        self.until(lambda: (revision(self.application()), phase(self.application())) == (commit, "Succeeded"))

    def until_healthy(self, commit: str) -> None:
        """Wait until a sync of a commit is done, and everything is healthy."""
        self.until_synced(commit)
        self.until(lambda: (synced(self.application()), health(self.application())) == ("Synced", "Healthy"))

    def told(self) -> str:
        """Return Argo CD's state of the Application."""
        return yaml.safe_dump(self.application().get("status", {}))

    def moments(self, seconds: float) -> Iterator[dict[str, Any]]:
        """Yield the Application repeatedly for a while."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            yield self.application()
            time.sleep(0.2)


def phase(application: Mapping[str, Any]) -> str:
    """Return the phase of the latest sync."""
    return str(application.get("status", {}).get("operationState", {}).get("phase", ""))


def message(application: Mapping[str, Any]) -> str:
    """Return the message of the latest sync, or the reason of its failure."""
    return str(application.get("status", {}).get("operationState", {}).get("message", ""))


def revision(application: Mapping[str, Any]) -> str:
    """Return the commit of the latest sync."""
    return str(application.get("status", {}).get("operationState", {}).get("syncResult", {}).get("revision", ""))


def synced(application: Mapping[str, Any]) -> str:
    """Return whether the cluster matches Git."""
    return str(application.get("status", {}).get("sync", {}).get("status", ""))


def health(application: Mapping[str, Any], name: str = "") -> str:
    """Return the health of a TGIEndpoint, or of the Application."""
    status = application.get("status", {})
    if not name:
        return str(status.get("health", {}).get("status", ""))
    for resource in status.get("resources", ()):
        if (resource["kind"], resource["name"]) == ("TGIEndpoint", name):
            return str(resource.get("health", {}).get("status", ""))
    return ""


@pytest.fixture(scope="session")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivery]:
    """Yield all parts, with nothing delivered yet."""
    folder = tmp_path_factory.mktemp("delivery")
    repository = Repository(folder)
    with ControlPlane(folder / "cluster", nodes=NODES) as plane, AwsDouble(speed=SPEED, durations=DURATIONS) as aws:
        cluster = Cluster(plane)
        with ArgoCD(cluster, folder / "argocd") as argo:
            made = Delivery(cluster, aws, repository, argo, folder)
            yield made
            made.stop_operator()
