"""The scrape targets of Prometheus: every port `http` of a pod of a TGIEndpoint, through the API server."""

from typing import Any

from tgi_sandbox.cluster.layout import Layout, Ports
from tgi_sandbox.cluster.ports import LOOPBACK

_INTERVAL = "2s"
_POD = "__meta_kubernetes_pod_"


def configuration(layout: Layout, ports: Ports) -> dict[str, Any]:
    """Return the configuration. The labels of a series are those that a PodMonitor results in."""
    relabeling = [
        _only("true", f"{_POD}labelpresent_tgi_operator_dev_name"),
        _only("http", f"{_POD}container_port_name"),
        _only("Pending|Running|Unknown", f"{_POD}phase"),
        _label("namespace", "$1", "__meta_kubernetes_namespace"),
        _label("pod", "$1", f"{_POD}name"),
        _label("container", "$1", f"{_POD}container_name"),
        _label("endpoint", "$1", f"{_POD}container_port_name"),
        _label("job", "$1/$2", "__meta_kubernetes_namespace", f"{_POD}label_tgi_operator_dev_name"),
        _label("instance", "$1", "__address__"),
        # Only the API server can reach pods.
        _label("__address__", f"{LOOPBACK}:{ports.apiserver}"),
        _label(
            "__metrics_path__",
            "/api/v1/namespaces/$1/pods/http:$2:$3/proxy/metrics",
            "__meta_kubernetes_namespace",
            f"{_POD}name",
            f"{_POD}container_port_number",
        ),
    ]
    pods = {
        "job_name": "tgi",
        "scheme": "https",
        "authorization": {"credentials_file": str(layout.token)},
        "tls_config": {"ca_file": str(layout.certificate_authority)},
        "kubernetes_sd_configs": [{"role": "pod", "kubeconfig_file": str(layout.kubeconfig)}],
        "relabel_configs": relabeling,
    }
    return {"global": {"scrape_interval": _INTERVAL, "scrape_timeout": _INTERVAL}, "scrape_configs": [pods]}


def _only(regex: str, label: str) -> dict[str, Any]:
    return {"source_labels": [label], "regex": regex, "action": "keep"}


def _label(target: str, value: str, *sources: str) -> dict[str, Any]:
    regex = ";".join(["(.*)"] * len(sources))
    return {"source_labels": list(sources), "regex": regex, "target_label": target, "replacement": value}
