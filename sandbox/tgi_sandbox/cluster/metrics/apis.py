"""The metrics APIs, which programs outside the cluster serve behind services with the usual names."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tgi_sandbox.cluster.api import ApiError, ApiServer
from tgi_sandbox.cluster.ports import LOCALHOST


@dataclass(frozen=True)
class AggregatedApi:
    """An API group that the API server delegates to another server."""

    group: str
    versions: tuple[str, ...]  # the preferred one last
    namespace: str
    service: str

    @property
    def host(self) -> str:
        """The name in the server's certificate."""
        return f"{self.service}.{self.namespace}.svc"

    def register(self, api: ApiServer, port: int, authority: str) -> None:
        """Let the API server call a port of this machine, whose server has a certificate of the `authority`."""
        for path, body in self._objects(port, authority):
            api.request("POST", path, body)

    def is_served(self, api: ApiServer) -> bool:
        """Whether the API server gets answers."""
        try:
            for version in self.versions:
                api.request("GET", f"/apis/{self.group}/{version}")
        except ApiError:
            return False
        return True

    def _objects(self, port: int, authority: str) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "/api/v1/namespaces", {"metadata": {"name": self.namespace}}
        # The API server passes this name to its egress proxy, which connects to the port.
        spec: dict[str, Any] = {"type": "ExternalName", "externalName": LOCALHOST}
        yield f"/api/v1/namespaces/{self.namespace}/services", {"metadata": {"name": self.service}, "spec": spec}
        for priority, version in enumerate(self.versions, start=1):
            name = f"{version}.{self.group}"
            spec = {
                "group": self.group,
                "version": version,
                "groupPriorityMinimum": 100,
                "versionPriority": priority,
                "service": {"namespace": self.namespace, "name": self.service, "port": port},
                "caBundle": base64.b64encode(authority.encode()).decode(),
            }
            yield "/apis/apiregistration.k8s.io/v1/apiservices", {"metadata": {"name": name}, "spec": spec}


# The APIs of prometheus-adapter v0.12.
CUSTOM_METRICS = AggregatedApi("custom.metrics.k8s.io", ("v1beta1", "v1beta2"), "monitoring", "prometheus-adapter")
EXTERNAL_METRICS = AggregatedApi("external.metrics.k8s.io", ("v1beta1",), "keda", "keda-metrics-apiserver")
