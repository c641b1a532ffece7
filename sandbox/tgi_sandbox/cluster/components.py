"""The command line of each component of the control plane."""

from pathlib import Path

from tgi_sandbox.cluster.layout import Layout, Ports
from tgi_sandbox.cluster.metrics import RULES, keda
from tgi_sandbox.cluster.ports import LOOPBACK

ETCD = "etcd"
APISERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
KWOK = "kwok"
NETWORK = "network"
PROMETHEUS = "prometheus"
ADAPTER = "prometheus-adapter"
KEDA = "keda-operator"
KEDA_ADAPTER = "keda-metrics-apiserver"

# Enough to store and validate objects: no garbage collection, no namespace deletion, no pods.
CORE = (ETCD, APISERVER)
# A whole cluster.
ALL = (ETCD, APISERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK, NETWORK)
# A whole cluster with TGI's metrics for HorizontalPodAutoscalers.
WITH_METRICS = (*ALL, PROMETHEUS, ADAPTER)
# The same, with ScaledObjects.
WITH_KEDA = (*WITH_METRICS, KEDA, KEDA_ADAPTER)

# The identity of the API server for aggregated API servers.
FRONT_PROXY = "front-proxy-client"

# The defaults throttle a client to tens of requests per second, which delays tests with many hundred objects.
_CLIENT_LIMITS = ("--kube-api-qps=500", "--kube-api-burst=1000")

EKS_CLUSTER = "sandbox"
"""The name of the cluster in EKS."""

ISSUER = "https://oidc.eks.us-east-1.amazonaws.com/id/SANDBOX"
"""The issuer of service account tokens, in the format of an EKS cluster."""


def flags(component: str, layout: Layout, ports: Ports, components: tuple[str, ...]) -> list[str]:
    """Return the flags of a component that runs beside the other `components`."""
    return {
        ETCD: _etcd,
        APISERVER: _apiserver,
        CONTROLLER_MANAGER: _controller_manager,
        SCHEDULER: _scheduler,
        KWOK: _kwok,
        NETWORK: _network,
        PROMETHEUS: _prometheus,
        ADAPTER: _adapter,
        KEDA: _keda,
        KEDA_ADAPTER: _keda_adapter,
    }[component](layout, ports, components)


def environment(component: str) -> dict[str, str]:
    """Return the variables that a component needs in addition to those of the sandbox."""
    if component == APISERVER:
        # Its heap grows while it starts and when definitions are installed: collecting it took a sixth of its time.
        return {"GOGC": "300"}
    return keda.environment() if component in (KEDA, KEDA_ADAPTER) else {}


def _etcd(layout: Layout, ports: Ports, _: tuple[str, ...]) -> list[str]:
    client, peer = f"http://{LOOPBACK}:{ports.etcd}", f"http://{LOOPBACK}:{ports.etcd_peer}"
    return [
        "--name=sandbox",
        f"--data-dir={layout.etcd_data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=sandbox={peer}",
        # A cluster of one member does not have to wait before it elects itself: ready in 0.2 s instead of up to 2 s.
        "--heartbeat-interval=50",
        "--election-timeout=250",
        "--log-level=warn",
        "--unsafe-no-fsync",  # its data ends with the sandbox
    ]


def _apiserver(layout: Layout, ports: Ports, components: tuple[str, ...]) -> list[str]:
    # Without the controller manager, nothing creates the service accounts that this plugin requires for every pod.
    admission = [] if CONTROLLER_MANAGER in components else ["--disable-admission-plugins=ServiceAccount"]
    network = [f"--egress-selector-config-file={layout.egress}"] if NETWORK in components else []
    return [
        f"--etcd-servers=http://{LOOPBACK}:{ports.etcd}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        f"--secure-port={ports.apiserver}",
        # The `kubernetes` service would publish the address above, and loopback addresses are not allowed there.
        "--endpoint-reconciler-type=none",
        # Its own certificate would be RSA, with which a handshake costs more than most requests.
        f"--tls-cert-file={layout.serving_certificate}",
        f"--tls-private-key-file={layout.serving_certificate}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={layout.service_account_key}",
        f"--service-account-signing-key-file={layout.service_account_key}",
        f"--token-auth-file={layout.tokens}",
        "--authorization-mode=RBAC",
        # As in some clusters: users need permission to make an object an owner.
        "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--allow-privileged=true",
        # These headers carry the identity of the caller to aggregated API servers.
        f"--requestheader-client-ca-file={layout.certificate_authority}",
        f"--requestheader-allowed-names={FRONT_PROXY}",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={layout.front_proxy_certificate}",
        f"--proxy-client-key-file={layout.front_proxy_certificate}",
        f"--audit-policy-file={layout.audit_policy}",
        f"--audit-log-path={layout.audit_log}",
        *admission,
        *network,
    ]


def audit_policy() -> dict[str, object]:
    """Return the API server's audit policy: requests of service accounts, without response bodies."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [{"level": "Metadata", "userGroups": ["system:serviceaccounts"]}, {"level": "None"}],
    }


def egress(layout: Layout) -> dict[str, object]:
    """Return the API server's configuration for connections to pods and nodes through the network."""
    # A proxy on TCP would need TLS: without TLS, the API server panics.
    proxy = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": layout.network_socket}}}
    return {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": proxy}],
    }


def _controller_manager(layout: Layout, _ports: Ports, _: tuple[str, ...]) -> list[str]:
    return [
        f"--kubeconfig={layout.kubeconfig}",
        f"--service-account-private-key-file={layout.service_account_key}",
        f"--root-ca-file={layout.certificate_authority}",
        "--leader-elect=false",
        "--secure-port=0",
        "--horizontal-pod-autoscaler-sync-period=2s",
        *_CLIENT_LIMITS,
    ]


def _scheduler(layout: Layout, _ports: Ports, _: tuple[str, ...]) -> list[str]:
    return [f"--kubeconfig={layout.kubeconfig}", "--leader-elect=false", "--secure-port=0", *_CLIENT_LIMITS]


def _kwok(layout: Layout, ports: Ports, _: tuple[str, ...]) -> list[str]:
    return [
        f"--kubeconfig={layout.kubeconfig}",
        f"--config={layout.stages}",
        "--manage-all-nodes=true",
        "--node-lease-duration-seconds=40",  # without leases nodes count as lost after 50 s
        f"--server-address={LOOPBACK}:{ports.kwok}",
    ]


def _network(layout: Layout, _ports: Ports, _: tuple[str, ...]) -> list[str]:
    return [f"--directory={layout.directory}"]


def _prometheus(layout: Layout, ports: Ports, _: tuple[str, ...]) -> list[str]:
    return [
        f"--config.file={layout.prometheus}",
        f"--storage.tsdb.path={layout.prometheus_data}",
        "--storage.tsdb.retention.time=1h",
        f"--web.listen-address={LOOPBACK}:{ports.prometheus}",
        "--log.level=warn",
    ]


def _adapter(layout: Layout, ports: Ports, _: tuple[str, ...]) -> list[str]:
    return [
        f"--config={RULES}",
        f"--prometheus-url=http://{LOOPBACK}:{ports.prometheus}",
        # How often it looks for new series, and how far back.
        "--metrics-relist-interval=1s",
        "--metrics-max-age=1m",
        *_serving(layout, ports.adapter, certificate=layout.adapter_certificate, key=layout.adapter_certificate),
    ]


def _keda(layout: Layout, ports: Ports, _: tuple[str, ...]) -> list[str]:
    return [
        f"--kubeconfig={layout.kubeconfig}",
        f"--metrics-service-bind-address={LOOPBACK}:{ports.keda}",
        f"--cert-dir={layout.keda_certificates}",
        "--enable-prometheus-metrics=false",
        "--health-probe-bind-address=0",
        *_CLIENT_LIMITS,
    ]


def _keda_adapter(layout: Layout, ports: Ports, _: tuple[str, ...]) -> list[str]:
    folder = layout.keda_certificates
    return [
        f"--kubeconfig={layout.kubeconfig}",
        f"--metrics-service-address={LOOPBACK}:{ports.keda}",
        f"--metrics-service-grpc-authority={keda.OPERATOR_HOST}",
        f"--cert-dir={folder}",
        "--port=0",  # its own metrics, on all interfaces: it has no flag for the address
        *_serving(layout, ports.keda_adapter, certificate=folder / "tls.crt", key=folder / "tls.key"),
    ]


def _serving(layout: Layout, port: int, certificate: Path, key: Path) -> list[str]:
    """Return the flags of every aggregated API server."""
    return [
        f"--lister-kubeconfig={layout.kubeconfig}",
        f"--authentication-kubeconfig={layout.kubeconfig}",
        f"--authorization-kubeconfig={layout.kubeconfig}",
        # Otherwise it looks for the API server's CA, which does not exist, and logs that repeatedly.
        f"--client-ca-file={layout.certificate_authority}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
    ]
