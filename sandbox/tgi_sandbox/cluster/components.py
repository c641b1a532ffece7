"""The command line of each component of the control plane."""

from dataclasses import dataclass
from pathlib import Path

from tgi_sandbox.cluster.ports import LOOPBACK

ETCD = "etcd"
APISERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
KWOK = "kwok"

# Enough to store and validate objects: no garbage collection, no namespace deletion, no pods.
CORE = (ETCD, APISERVER)
ALL = (ETCD, APISERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK)

STAGES = Path(__file__).with_name("stages.yaml")

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
    ]


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
        f"--config={STAGES}",
        "--manage-all-nodes=true",
        "--node-lease-duration-seconds=40",  # without leases nodes count as lost after 50 s
        f"--server-address={LOOPBACK}:{ports.kwok}",
    ]
