"""A Deployment of TGI whose replicas follow its metrics."""

from typing import Any

from tgi_sandbox.cluster.api import ApiError, ApiServer
from tgi_sandbox.cluster.script import annotations
from waiting import wait_until

_LABELS = {"tgi-operator.dev/name": "tgi"}
# One request after the other.
_ENV = {"MODEL_ID": "acme/model-7b", "PORT": "8080", "MAX_BATCH_SIZE": "1", "SANDBOX_TOKEN_DELAY": "0.05"}


class Deployment:
    """The Deployment and the Service `tgi` of one namespace."""

    def __init__(self, api: ApiServer, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        self._services = f"/api/v1/namespaces/{namespace}/services"

    def create(self, replicas: int) -> None:
        """Create both, and wait until all replicas are ready."""
        container = {
            "name": "tgi",
            "image": "tgi:3.3.7",
            "env": [{"name": name, "value": value} for name, value in _ENV.items()],
            "ports": [{"name": "http", "containerPort": 8080}],
            "resources": {"limits": {"nvidia.com/gpu": "1"}},
        }
        template = {
            "metadata": {"labels": _LABELS, "annotations": annotations(start_seconds=0)},
            "spec": {"containers": [container]},
        }
        spec = {"replicas": replicas, "selector": {"matchLabels": _LABELS}, "template": template}
        self._api.request("POST", self._deployments, {"metadata": {"name": "tgi"}, "spec": spec})
        spec = {"selector": _LABELS, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
        self._api.request("POST", self._services, {"metadata": {"name": "tgi"}, "spec": spec})
        wait_until(lambda: self.ready == replicas)

    @property
    def ready(self) -> int:
        """The number of ready replicas."""
        return int(self._api.request("GET", f"{self._deployments}/tgi")["status"].get("readyReplicas", 0))

    @property
    def pods(self) -> list[str]:
        """The names of its pods."""
        pods = self._api.request("GET", f"/api/v1/namespaces/{self._namespace}/pods")["items"]
        return [pod["metadata"]["name"] for pod in pods]

    def ask(self, body: dict[str, Any]) -> None:
        """Let one of its pods generate a text."""
        self._api.request("POST", f"{self._services}/http:tgi:http/proxy/generate", body)

    def values(self, metric: str, version: str = "v1beta2", reader: ApiServer | None = None) -> dict[str, str]:
        """Return a custom metric of each pod that has it."""
        path = f"/apis/custom.metrics.k8s.io/{version}/namespaces/{self._namespace}/pods/*/{metric}"
        try:
            items = (reader or self._api).request("GET", path)["items"]
        except ApiError as error:
            if error.code == 404:  # no pod has it
                return {}
            raise
        return {item["describedObject"]["name"]: item["value"] for item in items}
