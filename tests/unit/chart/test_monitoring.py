"""The objects for Prometheus and Grafana, each only if requested."""

import json
import shutil
from pathlib import Path

import yaml

from unit.chart.rendering import (
    CHART,
    MANIFESTS,
    Object,
    helm,
    kinds,
    objects,
    of,
)


def test_the_monitor_finds_the_pods_by_their_service(everything: list[Object]) -> None:
    service = of(everything, "Service", "tgi-operator-metrics")
    monitor = of(everything, "ServiceMonitor")
    labels = of(everything, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_alerts_and_dashboards_are_those_of_the_repository(everything: list[Object]) -> None:
    files = {
        file.name: json.loads(file.read_text()) for file in (MANIFESTS / "monitoring" / "dashboards").glob("*.json")
    }
    shown = {name: json.loads(text) for item in kinds(everything, "ConfigMap") for name, text in item["data"].items()}
    assert shown == files
    rules = [yaml.safe_load(file.read_text()) for file in sorted((MANIFESTS / "monitoring" / "alerts").glob("*.yaml"))]
    wanted = [rule["groups"] for rule in rules if "groups" in rule]
    assert [item["spec"]["groups"] for item in kinds(everything, "PrometheusRule")] == wanted


def test_alerts_and_dashboards_are_taken_as_they_are(tmp_path: Path) -> None:
    """Also if the repository has none yet: braces are Prometheus' and Grafana's, not Helm's."""
    chart = tmp_path / "tgi-operator"
    shutil.copytree(CHART, chart)
    monitoring = chart / "files" / "monitoring"
    rules = {
        "groups": [{"name": "a", "rules": [{"alert": "A", "expr": "up == 0", "annotations": {"s": "{{ $value }}"}}]}]
    }
    (monitoring / "alerts" / "given.yaml").write_text(yaml.safe_dump(rules))
    (monitoring / "dashboards" / "given.json").write_text('{"title": "{{ x }}",\n\n "panels": []}\n')
    options = ["--set", "metrics.prometheusRule.enabled=true,metrics.dashboards.enabled=true"]
    items = objects(helm("template", "tgi-operator", str(chart), *options).stdout)
    assert of(items, "PrometheusRule", "tgi-operator-given")["spec"] == rules
    shown = of(items, "ConfigMap", "tgi-operator-given")
    assert json.loads(shown["data"]["given.json"]) == {"title": "{{ x }}", "panels": []}
    assert shown["metadata"]["labels"]["grafana_dashboard"] == "1"
