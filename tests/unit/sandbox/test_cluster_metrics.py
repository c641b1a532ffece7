"""The configuration of programs that scrape, serve and use metrics."""

import base64
import re
from pathlib import Path

import pytest
import yaml

from tgi_sandbox.cluster import build
from tgi_sandbox.cluster.authority import Authority
from tgi_sandbox.cluster.layout import Layout, Ports
from tgi_sandbox.cluster.metrics import RULES, keda, prometheus
from tgi_sandbox.cluster.metrics.apis import CUSTOM_METRICS, EXTERNAL_METRICS

_POD = {
    "__address__": "10.128.16.1:8080",
    "__meta_kubernetes_namespace": "default",
    "__meta_kubernetes_pod_name": "tgi-0",
    "__meta_kubernetes_pod_phase": "Running",
    "__meta_kubernetes_pod_container_name": "server",
    "__meta_kubernetes_pod_container_port_name": "http",
    "__meta_kubernetes_pod_container_port_number": "8080",
    "__meta_kubernetes_pod_labelpresent_tgi_operator_dev_name": "true",
    "__meta_kubernetes_pod_label_tgi_operator_dev_name": "zephyr",
}


def _relabeled(labels: dict[str, str]) -> dict[str, str] | None:
    """Relabel like Prometheus; none if the target is dropped."""
    (job,) = prometheus.configuration(Layout(Path("/sandbox")), Ports(1, 2, 3, 4, 5, 6, 7, 8))["scrape_configs"]
    labels = dict(labels)
    for rule in job["relabel_configs"]:
        found = re.fullmatch(rule["regex"], ";".join(labels.get(name, "") for name in rule["source_labels"]))
        if rule.get("action") == "keep":
            if found is None:
                return None
        elif found is not None:
            labels[rule["target_label"]] = found.expand(re.sub(r"\$(\d)", r"\\\1", rule["replacement"]))
    return {name: value for name, value in labels.items() if not name.startswith("__meta_")}


def test_pod_is_scraped_through_the_api_server_with_the_labels_of_a_pod_monitor() -> None:
    assert _relabeled(_POD) == {
        "__address__": "127.0.0.1:3",
        "__metrics_path__": "/api/v1/namespaces/default/pods/http:tgi-0:8080/proxy/metrics",
        "namespace": "default",
        "pod": "tgi-0",
        "container": "server",
        "endpoint": "http",
        "job": "default/zephyr",
        "instance": "10.128.16.1:8080",
    }


@pytest.mark.parametrize(
    "other",
    [
        {"__meta_kubernetes_pod_labelpresent_tgi_operator_dev_name": ""},
        {"__meta_kubernetes_pod_container_port_name": "admin"},
        {"__meta_kubernetes_pod_phase": "Succeeded"},
        {"__meta_kubernetes_pod_phase": "Failed"},
    ],
)
def test_other_pods_and_ports_are_not_scraped(other: dict[str, str]) -> None:
    assert _relabeled(_POD | other) is None


def test_rules_name_the_metrics_that_the_operator_asks_for() -> None:
    rules = yaml.safe_load(RULES.read_text())["rules"]
    assert [rule["name"]["as"] for rule in rules] == ["tgi_queue_size", "tgi_concurrent_requests"]
    for rule in rules:
        assert set(rule["resources"]["overrides"]) == {"namespace", "pod"}
        assert "<<.LabelMatchers>>" in rule["metricsQuery"]
        assert rule["metricsQuery"].endswith("by (<<.GroupBy>>)")


def test_api_is_registered_behind_a_service_that_leads_to_this_machine() -> None:
    objects = {
        f"{path.rpartition('/')[2]}/{body['metadata']['name']}": body for path, body in CUSTOM_METRICS._objects(9, "ca")
    }
    assert objects["services/prometheus-adapter"]["spec"]["externalName"] == "localhost"
    specs = [objects[f"apiservices/{version}.custom.metrics.k8s.io"]["spec"] for version in ("v1beta1", "v1beta2")]
    for spec in specs:
        assert spec["service"] == {"namespace": "monitoring", "name": "prometheus-adapter", "port": 9}
        assert base64.b64decode(spec["caBundle"]) == b"ca"
    assert specs[0]["versionPriority"] < specs[1]["versionPriority"]


def test_keda_has_its_certificates_under_the_names_it_looks_for(tmp_path: Path) -> None:
    authority = Authority()
    for _ in range(2):
        keda.write_certificates(tmp_path / "certificates", authority)
    assert (tmp_path / "certificates" / "ca.crt").read_text() == authority.certificate
    assert (tmp_path / "certificates" / "tls.crt").read_text() == (tmp_path / "certificates" / "tls.key").read_text()
    assert keda.OPERATOR_HOST == "keda-operator.keda.svc"
    assert EXTERNAL_METRICS.host == "keda-metrics-apiserver.keda.svc"


def test_definitions_of_keda_come_from_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "config" / "crd" / "bases"
    folder.mkdir(parents=True)
    for name in ("two", "one"):
        (folder / f"{name}.yaml").write_text(f"---\nmetadata:\n  name: {name}\n")
    monkeypatch.setattr(build, "source", lambda module, path: tmp_path)
    assert [definition["metadata"]["name"] for definition in keda.definitions()] == ["one", "two"]
