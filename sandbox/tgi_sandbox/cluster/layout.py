"""The files of a control plane, and the ports on which its components listen."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ports:
    """The ports on 127.0.0.1 that the components listen on."""

    etcd: int
    etcd_peer: int
    apiserver: int
    kwok: int
    prometheus: int
    adapter: int
    keda: int
    keda_adapter: int


@dataclass(frozen=True)
class Layout:
    """The paths of the files of one control plane."""

    directory: Path

    @property
    def etcd_data(self) -> Path:
        """The data of etcd, deleted before each start."""
        return self.directory / "etcd-data"

    @property
    def certificates(self) -> Path:
        """The folder of the certificates."""
        return self.directory / "certificates"

    @property
    def serving_certificate(self) -> Path:
        """The certificate of the API server, and its key."""
        return self.certificates / "apiserver.pem"

    @property
    def service_account_key(self) -> Path:
        """The private key of service account tokens."""
        return self.directory / "service-account.key"

    @property
    def tokens(self) -> Path:
        """The API server's static token file."""
        return self.directory / "tokens.csv"

    @property
    def token(self) -> Path:
        """The administrator's token without anything else."""
        return self.directory / "token"

    @property
    def certificate_authority(self) -> Path:
        """The certificate of the authority that has issued all others."""
        return self.certificates / "ca.crt"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.directory / "kubeconfig"

    @property
    def stages(self) -> Path:
        """The stages of KWOK for nodes, pods and volumes."""
        return self.directory / "stages.yaml"

    @property
    def egress(self) -> Path:
        """The route of the API server to pods and nodes."""
        return self.directory / "egress.json"

    @property
    def network_socket(self) -> str:
        """The name of the network's abstract socket, not a file: the path of a socket file has to be short."""
        return f"@tgi-sandbox-{hashlib.sha256(str(self.directory).encode()).hexdigest()[:16]}"

    @property
    def kubelet_certificate(self) -> Path:
        """The certificate of all kubelets, and its key."""
        return self.certificates / "kubelet.pem"

    @property
    def front_proxy_certificate(self) -> Path:
        """The certificate that the API server shows to aggregated API servers, and its key."""
        return self.certificates / "front-proxy.pem"

    @property
    def adapter_certificate(self) -> Path:
        """The certificate of the metrics adapter, and its key."""
        return self.certificates / "prometheus-adapter.pem"

    @property
    def keda_certificates(self) -> Path:
        """The folder of the certificate of KEDA, its key and its authority's certificate."""
        return self.directory / "keda-certificates"

    @property
    def prometheus(self) -> Path:
        """The scrape configuration of Prometheus."""
        return self.directory / "prometheus.json"

    @property
    def prometheus_data(self) -> Path:
        """The data of Prometheus, deleted before each start."""
        return self.directory / "prometheus-data"

    @property
    def containers(self) -> Path:
        """The folder of the logs of containers, deleted before each start."""
        return self.directory / "logs" / "pods"

    def pod(self, uid: str) -> Path:
        """Return the folder with the files of the operator's process in a pod, deleted with all others at a start."""
        return self.pods / uid

    @property
    def pods(self) -> Path:
        """The parent of these folders."""
        return self.directory / "pods"

    @property
    def audit_policy(self) -> Path:
        """The audit policy: the users whose requests the API server logs."""
        return self.directory / "audit-policy.json"

    @property
    def audit_log(self) -> Path:
        """The requests of service accounts, one JSON object per line."""
        return self.directory / "logs" / "audit.log"

    def log(self, component: str) -> Path:
        """Return the log file of a component."""
        return self.directory / "logs" / f"{component}.log"
