"""A real Kubernetes control plane on loopback: etcd, API server, controller manager, scheduler, and KWOK's nodes."""

import json
import os
import secrets
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tgi_sandbox.cluster import build, components, stages
from tgi_sandbox.cluster.api import ApiError, ApiServer
from tgi_sandbox.cluster.authority import Authority, Purpose
from tgi_sandbox.cluster.components import (
    ADAPTER,
    APISERVER,
    CONTROLLER_MANAGER,
    ETCD,
    KEDA,
    KEDA_ADAPTER,
    KWOK,
    NETWORK,
    PROMETHEUS,
)
from tgi_sandbox.cluster.credentials import (
    write_kubeconfig,
    write_private,
    write_service_account_key,
    write_token_file,
)
from tgi_sandbox.cluster.layout import Layout, Ports
from tgi_sandbox.cluster.metrics import keda, prometheus
from tgi_sandbox.cluster.metrics.apis import CUSTOM_METRICS, EXTERNAL_METRICS, AggregatedApi
from tgi_sandbox.cluster.nodes import build_node
from tgi_sandbox.cluster.ports import LOCALHOST, LOOPBACK, answers, free_ports, is_bound, is_listening
from tgi_sandbox.processes import Process, stop_all

DEFAULT_NODES = ("g5.2xlarge", "g5.12xlarge", "g5.12xlarge", "g6.xlarge", "g6.xlarge", "m5.xlarge")

_API_SERVER_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "10.96.0.1")
"""The names and the address by which pods know the API server."""

_READY_SECONDS = 60.0


class ControlPlane:
    """One control plane, with all its files in one directory; each start creates an empty cluster.

    `components` can leave out parts that are not needed: `components.CORE` starts in about three seconds and is enough
    for custom resources. `components.WITH_METRICS` adds TGI's metrics for HorizontalPodAutoscalers, and
    `components.WITH_KEDA` adds KEDA. `nodes` are the EC2 instance types of the simulated nodes, one node each. With
    `aws`, the address of an AWS emulator, pods of the operator run it.
    """

    def __init__(
        self,
        directory: Path,
        components: Sequence[str] = components.ALL,
        nodes: Sequence[str] = DEFAULT_NODES,
        aws: str | None = None,
    ) -> None:
        self.layout = Layout(directory.absolute())
        self.processes: dict[str, Process] = {}
        self.prometheus_url: str | None = None
        self._components = tuple(components)
        self._nodes = tuple(nodes)
        self._aws = aws
        self._nodes_added = 0
        self._api: ApiServer | None = None

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.layout.kubeconfig

    @property
    def api(self) -> ApiServer:
        """The API server, with the administrator's credentials."""
        if self._api is None:
            raise RuntimeError("the control plane was not started")
        return self._api

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the components and wait until each is ready; missing programs are built first."""
        if any(process.running for process in self.processes.values()):
            raise RuntimeError("the control plane is already running")
        programs = build.ensure(self._components)
        self._nodes_added = 0
        ports = Ports(*free_ports(8))
        self._prepare(programs, ports)
        try:
            self._start_api_server(ports)
            if KEDA in self.processes:
                keda.install(self.api)
            for name, process in self.processes.items():
                if name not in components.CORE:
                    process.start()
            self._wait_for_controllers()
            if NETWORK in self.processes:
                self.processes[NETWORK].wait_ready(lambda: is_bound(self.layout.network_socket), _READY_SECONDS)
            self._aggregate(CUSTOM_METRICS, ADAPTER, ports.adapter)
            self._aggregate(EXTERNAL_METRICS, KEDA_ADAPTER, ports.keda_adapter)
            self.prometheus_url = f"http://{LOOPBACK}:{ports.prometheus}" if PROMETHEUS in self.processes else None
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill all components at once; no pending writes are needed."""
        stop_all(self.processes.values(), grace=0)

    def check(self) -> None:
        """Raise an error if a component has ended unexpectedly."""
        for process in self.processes.values():
            process.check()

    def create_namespace(self, name: str | None = None) -> str:
        """Create a namespace, with a generated name if none is given, and return its name."""
        metadata = {"name": name} if name else {"generateName": "test-"}
        created = self.api.request("POST", "/api/v1/namespaces", {"metadata": metadata})
        return str(created["metadata"]["name"])

    def add_node(self, instance_type: str) -> str:
        """Add a node of an EC2 instance type, wait until it is Ready and accepts pods, and return its name."""
        self._nodes_added += 1
        name = f"{instance_type.replace('.', '-')}-{self._nodes_added}"
        self.api.request("POST", "/api/v1/nodes", build_node(name, instance_type, number=self._nodes_added))
        self.processes[KWOK].wait_ready(lambda: self._is_node_ready(name), _READY_SECONDS)
        return name

    def set_load(self, namespace: str, pod: str, *, queue_size: int = 0, batch_size: int = 0) -> None:
        """Let a pod's simulator report so many waiting and running requests, beside the real ones.

        The simulator is reached at the first port of the pod.
        """
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/proxy/_sandbox/load"
        self.api.request("POST", path, {"queue_size": queue_size, "batch_size": batch_size})

    def annotate_pod(self, namespace: str, name: str, annotations: Mapping[str, str | None]) -> None:
        """Set annotations of a pod, such as `script.annotations` returns; annotations with value None are removed."""
        patch = {"metadata": {"annotations": annotations}}
        self.api.request("PATCH", f"/api/v1/namespaces/{namespace}/pods/{name}", patch)

    def _prepare(self, programs: Mapping[str, Path], ports: Ports) -> None:
        layout = self.layout
        for folder in (layout.etcd_data, layout.containers, layout.pods, layout.prometheus_data):
            shutil.rmtree(folder, ignore_errors=True)
        layout.certificates.mkdir(parents=True, exist_ok=True)
        for stale in (*layout.certificates.iterdir(), *(layout.log(name) for name in components.WITH_KEDA)):
            stale.unlink(missing_ok=True)
        write_service_account_key(layout.service_account_key)
        authority = Authority()
        layout.certificate_authority.write_text(authority.certificate)
        authority.issue(layout.serving_certificate, [LOOPBACK, LOCALHOST, *_API_SERVER_NAMES], [Purpose.SERVER])
        authority.issue(layout.kubelet_certificate, ["kubelet"], [Purpose.SERVER])
        authority.issue(layout.front_proxy_certificate, [components.FRONT_PROXY], [Purpose.CLIENT])
        authority.issue(layout.adapter_certificate, [CUSTOM_METRICS.host], [Purpose.SERVER])
        keda.write_certificates(layout.keda_certificates, authority)
        layout.stages.write_text(stages.render())
        layout.egress.write_text(json.dumps(components.egress(layout)))
        layout.audit_policy.write_text(json.dumps(components.audit_policy()))
        layout.audit_log.unlink(missing_ok=True)
        layout.prometheus.write_text(json.dumps(prometheus.configuration(layout, ports)))
        self.processes = {
            name: Process(
                name,
                [*self._command(name, programs), *components.flags(name, layout, ports, self._components)],
                layout.log(name),
                {**os.environ, **components.environment(name)},
            )
            for name in self._components
        }

    def _start_api_server(self, ports: Ports) -> None:
        token = secrets.token_urlsafe(24)
        write_token_file(self.layout.tokens, token)
        write_private(self.layout.token, token)
        etcd, apiserver = self.processes[ETCD], self.processes[APISERVER]
        etcd.start()
        etcd.wait_ready(lambda: answers(ports.etcd, "/health"), _READY_SECONDS)
        apiserver.start()
        apiserver.wait_ready(lambda: is_listening(ports.apiserver), _READY_SECONDS)
        self._api = ApiServer(ports.apiserver, token, self.layout.certificate_authority)
        write_kubeconfig(self.layout.kubeconfig, self._api.url, self.layout.certificate_authority.read_text(), token)
        apiserver.wait_ready(self._api.ready, _READY_SECONDS)

    def _wait_for_controllers(self) -> None:
        if KWOK in self.processes:
            for instance_type in self._nodes:
                self.add_node(instance_type)
        if CONTROLLER_MANAGER in self.processes:
            self.processes[CONTROLLER_MANAGER].wait_ready(self._has_service_account, _READY_SECONDS)

    def _aggregate(self, served: AggregatedApi, component: str, port: int) -> None:
        process = self.processes.get(component)
        if process is None:
            return
        # The API server waits before it retries a failed request.
        process.wait_ready(lambda: is_listening(port), _READY_SECONDS)
        served.register(self.api, port, self.layout.certificate_authority.read_text())
        process.wait_ready(lambda: served.is_served(self.api), _READY_SECONDS)

    def _has_service_account(self) -> bool:
        try:
            self.api.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")
        except ApiError:
            return False
        return True

    def _is_node_ready(self, name: str) -> bool:
        node = self.api.request("GET", f"/api/v1/nodes/{name}")
        conditions = node["status"].get("conditions", [])
        ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
        # The controller manager removes the taints of a node that was not ready; until then no pod is scheduled there.
        return ready and not (CONTROLLER_MANAGER in self.processes and node["spec"].get("taints"))

    def _command(self, component: str, programs: Mapping[str, Path]) -> list[str]:
        if component == NETWORK:
            aws = ["--aws", self._aws] if self._aws else []
            return [sys.executable, "-m", "tgi_sandbox.cluster.network", *aws]
        return [str(programs[component])]
