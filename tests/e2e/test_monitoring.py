"""A real Prometheus scrapes the operator and the pods: every panel has data, and every rule works."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

import monitoring
from e2e.conftest import FALCON, ZEPHYR, Cloud, until
from prometheus import Prometheus
from tgi_sandbox.cluster import build
from tgi_sandbox.cluster.api import ApiError
from tgi_sandbox.cluster.ports import LOOPBACK, answers, free_ports
from tgi_sandbox.processes import Process

pytestmark = pytest.mark.installation("all")

AUTOSCALED = {
    **FALCON,
    "autoscaling": {"minReplicas": 1, "maxReplicas": 4},
    "sageMaker": {**FALCON["sageMaker"], "instanceType": "ml.g5.24xlarge"},
}
GOOD = {"inputs": "What is deep learning?"}
BAD = {"inputs": ""}


def configuration(cloud: Cloud, pod: str) -> dict[str, Any]:
    """Return the labels that the Prometheus Operator derives from our PodMonitor and that of a resource."""
    operator = {
        "job_name": "tgi-system/tgi-operator",
        # As in manifests/monitoring/podmonitor.yaml: the target has its own label `namespace`.
        "honor_labels": True,
        "static_configs": [
            {"targets": [f"{LOOPBACK}:{cloud.operator.port}"], "labels": {"namespace": "tgi-system", "pod": "operator"}}
        ],
    }
    pods = {
        "job_name": f"{cloud.namespace}/zephyr",
        "scheme": "https",
        "authorization": {"credentials_file": str(cloud.plane.layout.token)},
        "tls_config": {"ca_file": str(cloud.plane.layout.certificate_authority)},
        "metrics_path": f"/api/v1/namespaces/{cloud.namespace}/pods/http:{pod}:8080/proxy/metrics",
        "static_configs": [
            {
                "targets": [cloud.plane.api.url.removeprefix("https://")],
                "labels": {"namespace": cloud.namespace, "pod": pod},
            }
        ],
    }
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(monitoring.ALERTS)],
        "scrape_configs": [operator, pods],
    }


@pytest.fixture
def busy(cloud: Cloud) -> Cloud:
    """A cloud with many problems, so that every panel has data."""
    cloud.apply("falcon-7b", AUTOSCALED)
    cloud.apply("stalled", {**FALCON, "runtime": {"version": "9.9.9"}})
    cloud.apply("zephyr", ZEPHYR)
    cloud.wait_ready("falcon-7b")
    cloud.control.quota("ml.g5.24xlarge", 1)
    cloud.control.load(cloud.endpoint_name("falcon-7b"), concurrentRequests=18)
    cloud.wait_reason("falcon-7b", "ScalingActive", "QuotaExceeded")
    cloud.control.throttle("ListEndpoints", times=10)
    cloud.wait_ready("zephyr")
    return cloud


@pytest.fixture
def prometheus(busy: Cloud, tmp_path: Path) -> Iterator[Prometheus]:
    """Yield a Prometheus that has just started to scrape, every second."""
    program = build.ensure(["prometheus"])["prometheus"]
    (port,) = free_ports(1)
    file = tmp_path / "prometheus.yaml"
    file.write_text(yaml.safe_dump(configuration(busy, busy.pods("zephyr")[0]["metadata"]["name"])))
    flags = [f"--config.file={file}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    process = Process("prometheus", [str(program), *flags, f"--web.listen-address={LOOPBACK}:{port}"], tmp_path / "log")
    process.start()
    try:
        process.wait_ready(lambda: answers(port, "/-/ready"), 30)
        yield Prometheus(f"http://{LOOPBACK}:{port}")
    finally:
        process.stop()
        busy.control.quota("ml.g5.24xlarge", 100)


def ask(cloud: Cloud) -> None:
    """Let TGI answer one request, and refuse another."""
    path = f"/api/v1/namespaces/{cloud.namespace}/services/http:zephyr:http/proxy/generate"
    cloud.plane.api.request("POST", path, GOOD)
    with suppress(ApiError):
        cloud.plane.api.request("POST", path, BAD)


def test_every_panel_shows_something_and_every_rule_works(busy: Cloud, prometheus: Prometheus) -> None:
    def empty() -> list[monitoring.Query]:
        ask(busy)
        return [query for query in monitoring.queries() if not prometheus.shows(query.expression)]

    until(lambda: empty() == [], lambda: str(empty()), 60)
    resource = f'namespace="{busy.namespace}", name="falcon-7b"'
    assert prometheus.shows(f'tgi_operator_condition{{{resource}, type="Ready"}} == 1')
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    pending = {
        (alert["labels"]["alertname"], alert["labels"].get("name")) for alert in prometheus.get("alerts")["alerts"]
    }
    assert ("TGIEndpointStalled", "stalled") in pending
    assert ("TGIEndpointNotScaling", "falcon-7b") in pending
