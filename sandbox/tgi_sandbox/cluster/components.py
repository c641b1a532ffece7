"""The command line of each component of the control plane."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tgi_sandbox.cluster.ports import LOOPBACK

ETCD = "etcd"
APISERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
KWOK = "kwok"
NETWORK = "network"

# Enough to store and validate objects: no garbage collection, no namespace deletion, no pods.
CORE = (ETCD, APISERVER)
ALL = (ETCD, APISERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK, NETWORK)

# The defaults throttle a client to tens of requests a second, which many hundred objects at once would wait for.
_CLIENT_LIMITS = ("--kube-api-qps=500", "--kube-api-burst=1000")
_ISSUER = "https://kubernetes.default.svc.cluster.local"


@dataclass(frozen=True)
class Ports:
    """The ports on 127.0.0.1 that the components listen on."""

    etcd: int
    etcd_peer: int
    apiserver: int
    kwok: int


@dataclass(frozen=True)
class Layout:
    """Where the files of one control plane are."""

    directory: Path

    @property
    def etcd_data(self) -> Path:
        """The data of etcd, removed before each start."""
        return self.directory / "etcd-data"

    @property
    def certificates(self) -> Path:
        """The folder in which the API server puts the certificate that it signs for itself."""
        return self.directory / "certificates"

    @property
    def serving_certificate(self) -> Path:
        """The API server's certificate followed by its authority's."""
        return self.certificates / "apiserver.crt"

    @property
    def service_account_key(self) -> Path:
        """The private key of service account tokens."""
        return self.directory / "service-account.key"

    @property
    def tokens(self) -> Path:
        """The API server's static token file."""
        return self.directory / "tokens.csv"

    @property
    def certificate_authority(self) -> Path:
        """The certificate of the authority alone."""
        return self.certificates / "ca.crt"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.directory / "kubeconfig"

    @property
    def stages(self) -> Path:
        """What KWOK does with nodes, pods and volumes."""
        return self.directory / "stages.yaml"

    @property
    def egress(self) -> Path:
        """By what way the API server reaches pods and nodes."""
        return self.directory / "egress.json"

    @property
    def network_socket(self) -> str:
        """The name of the network's socket, which is none of a file: the path of one has to be short."""
        return f"@tgi-sandbox-{hashlib.sha256(str(self.directory).encode()).hexdigest()[:16]}"

    @property
    def kubelet_certificate(self) -> Path:
        """The certificate of all kubelets, which they sign themselves, and its key."""
        return self.certificates / "kubelet.pem"

    @property
    def containers(self) -> Path:
        """The folder of the logs of containers, removed before each start."""
        return self.directory / "logs" / "pods"

    def log(self, component: str) -> Path:
        """Return the log file of a component."""
        return self.directory / "logs" / f"{component}.log"


def flags(component: str, layout: Layout, ports: Ports, components: tuple[str, ...]) -> list[str]:
    """Return the flags with which a component runs beside the other `components`."""
    return {
        ETCD: _etcd,
        APISERVER: _apiserver,
        CONTROLLER_MANAGER: _controller_manager,
        SCHEDULER: _scheduler,
        KWOK: _kwok,
        NETWORK: _network,
    }[component](layout, ports, components)


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
        # A cluster of one has nobody to wait for before it elects itself: ready in 0.2 s instead of up to 2 s.
        "--heartbeat-interval=50",
        "--election-timeout=250",
        "--log-level=warn",
        "--unsafe-no-fsync",  # what it stores ends with the sandbox
    ]


def _apiserver(layout: Layout, ports: Ports, components: tuple[str, ...]) -> list[str]:
    # Without the controller manager nobody creates the service accounts that this plugin requires of every pod.
    admission = [] if CONTROLLER_MANAGER in components else ["--disable-admission-plugins=ServiceAccount"]
    network = [f"--egress-selector-config-file={layout.egress}"] if NETWORK in components else []
    return [
        f"--etcd-servers=http://{LOOPBACK}:{ports.etcd}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        f"--secure-port={ports.apiserver}",
        # The `kubernetes` service would publish the address above, and loopback addresses are not allowed there.
        "--endpoint-reconciler-type=none",
        f"--cert-dir={layout.certificates}",
        f"--service-account-issuer={_ISSUER}",
        f"--service-account-key-file={layout.service_account_key}",
        f"--service-account-signing-key-file={layout.service_account_key}",
        f"--token-auth-file={layout.tokens}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--allow-privileged=true",
        *admission,
        *network,
    ]


def egress(layout: Layout) -> dict[str, object]:
    """Return the API server's configuration to reach pods and nodes through the network."""
    # A proxy on TCP would have to speak TLS: without, the API server panics.
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
