"""The kinds of objects that a resource has in the cluster, and their API paths."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of object: its `name` as in manifests, and its API path."""

    name: str
    api_version: str
    plural: str

    def path(self, namespace: str, name: str = "") -> str:
        """Return the path of the objects in a namespace, or of the object called `name`."""
        return f"{self._root}/namespaces/{namespace}/{self.plural}{f'/{name}' if name else ''}"

    @property
    def everywhere(self) -> str:
        """Path of the objects of all namespaces."""
        return f"{self._root}/{self.plural}"

    @property
    def group(self) -> str:
        """Path of the API version, which lists the kinds that are served."""
        return self._root

    @property
    def _root(self) -> str:
        return f"/{'apis' if '/' in self.api_version else 'api'}/{self.api_version}"


DEPLOYMENT = Kind("Deployment", "apps/v1", "deployments")
SERVICE = Kind("Service", "v1", "services")
BUDGET = Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets")
CLAIM = Kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims")
JOB = Kind("Job", "batch/v1", "jobs")
POD = Kind("Pod", "v1", "pods")
POD_MONITOR = Kind("PodMonitor", "monitoring.coreos.com/v1", "podmonitors")
POD_MONITORING = Kind("PodMonitoring", "monitoring.googleapis.com/v1", "podmonitorings")
HPA = Kind("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers")
SCALED_OBJECT = Kind("ScaledObject", "keda.sh/v1alpha1", "scaledobjects")
NETWORK_POLICY = Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies")

REPLICA_SET = Kind("ReplicaSet", "apps/v1", "replicasets")
EVENT = Kind("Event", "v1", "events")

_ALL = (
    DEPLOYMENT,
    SERVICE,
    BUDGET,
    CLAIM,
    JOB,
    POD,
    POD_MONITOR,
    POD_MONITORING,
    HPA,
    SCALED_OBJECT,
    NETWORK_POLICY,
)
OPTIONAL = (POD_MONITOR, POD_MONITORING, SCALED_OBJECT)
"""Kinds that a cluster can lack."""

KINDS = {kind.name: kind for kind in _ALL}


def condition(body: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return a condition of an object as the API server returns it, or an empty one if there is none."""
    found: Iterable[Mapping[str, Any]] = (body.get("status") or {}).get("conditions") or ()
    return next((each for each in found if each["type"] == kind), {})


def is_true(body: Mapping[str, Any], kind: str) -> bool:
    """Return whether a condition of an object is True."""
    return condition(body, kind).get("status") == "True"


def kind_of(manifest: Object) -> Kind:
    """Return the kind of a manifest."""
    return KINDS[str(manifest["kind"])]
