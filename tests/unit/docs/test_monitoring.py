"""Dashboards and alerts use only existing metrics, Prometheus accepts them, and each alert has its runbook."""

import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import monitoring
from tgi_operator import metrics
from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import ConditionType
from tgi_operator.backends.sagemaker.aws.errors import Meaning
from tgi_sandbox.cluster import build
from tgi_sandbox.cluster.metrics import RULES
from unit.chart.rendering import kustomized
from unit.docs import pages
from unit.docs.pages import ROOT

RUNBOOKS = ROOT / "docs" / "runbooks.md"
MONITORING = ROOT / "docs" / "monitoring.md"
OPERATIONS = ROOT / "docs" / "operations.md"

TGI_METRICS = {
    *("tgi_queue_size", "tgi_batch_current_size", "tgi_batch_current_max_tokens"),
    *("tgi_request_count", "tgi_request_success", "tgi_request_failure", "tgi_batch_inference_count"),
    *(
        f"tgi_{histogram}_{part}"
        for histogram in (
            "request_duration",
            "request_queue_duration",
            "request_inference_duration",
            "request_mean_time_per_token_duration",
            "request_input_length",
            "request_generated_tokens",
        )
        for part in ("bucket", "sum", "count")
    ),
}
"""The used ones in docs/source/reference/metrics.md of TGI, as they are exported: counters without `_total`."""

TGI_FAILURES = {"overloaded", "validation", "generation", "incomplete", "dropped", "template"}
"""The values of `err` in router/src of TGI."""

EXPRESSIONS = [
    *((f"{query.dashboard}: {query.panel}", query.expression) for query in monitoring.queries()),
    *((alert["alert"], alert["expr"]) for alert in monitoring.alerts()),
]

each_dashboard = pytest.mark.parametrize("name", monitoring.DASHBOARDS)


def exported() -> set[str]:
    """Return the names of the operator's series."""
    parts = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {f"{family.name}{part}" for family in metrics.REGISTRY.collect() for part in parts[family.type]}


def promtool(*arguments: str | Path) -> None:
    """Run promtool and fail with its output."""
    found = build.find(["promtool"])
    assert found, "there is no promtool: run tgi-sandbox build"
    done = subprocess.run([found["promtool"], *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_every_metric_exists(where: str, expression: str) -> None:
    named = set(re.findall(r"\btgi_\w+", expression))
    assert named, where
    assert named <= exported() | TGI_METRICS


def test_every_metric_of_the_operator_is_shown() -> None:
    named = {name for query in monitoring.queries() for name in re.findall(r"\btgi_operator_\w+", query.expression)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exported()}
    assert {re.sub(r"_bucket$", "", name) for name in named} == families


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_every_value_of_a_label_exists(where: str, expression: str) -> None:
    outcomes = next(row for row in pages.table(OPERATIONS, "metric") if row[0] == "tgi_operator_reconciles_total")[2]
    known = {
        "type": {*ConditionType},
        "reason": {*Reason},
        "result": {*Meaning, "OK"},
        "kind": {"desired", "current", "ready", "min", "max"},
        "outcome": set(re.findall(r"[a-z-]+", outcomes)),
        "err": TGI_FAILURES,
    }
    for label, values in re.findall(r'\b(\w+)(?:=|!=|=~|!~)"([^"]+)"', expression):
        if values != ".+" and label != "le":
            assert set(values.split("|")) <= known[label], (where, label)


def test_prometheus_takes_every_query_of_a_panel(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": query.expression} for number, query in enumerate(monitoring.queries())
    ]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", "--lint=none", file)


def test_prometheus_takes_the_alerts_and_they_fire_when_due() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", monitoring.ALERTS)
    promtool("test", "rules", monitoring.ALERT_TESTS)


def test_where_nothing_ever_failed_a_share_is_zero(tmp_path: Path) -> None:
    """Neither empty nor NaN: also for pods that receive no requests now."""
    series = {
        'tgi_request_count{namespace="ml", job="ml/zephyr"}': "7x80",
        'tgi_request_failure{namespace="ml", job="ml/zephyr", err="validation"}': "3x80",
        'tgi_operator_aws_calls_total{operation="ListEndpoints", result="OK"}': "0+1x80",
    }
    shares = [query for query in monitoring.queries() if query.panel in ("Error ratio", "Throttled API calls")]
    assert {query.dashboard for query in shares} == set(monitoring.DASHBOARDS)
    zero = [{"labels": "{}", "value": 0}]
    tests = [{"expr": query.expression, "eval_time": "15m", "exp_samples": zero} for query in shares]
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    file = tmp_path / "shares.test.yaml"
    group = {"interval": "15s", "input_series": inputs, "promql_expr_test": tests}
    file.write_text(yaml.safe_dump({"rule_files": [], "tests": [group]}))
    promtool("test", "rules", file)


def test_every_alert_is_tested() -> None:
    tests = monitoring.ALERT_TESTS.read_text()
    assert {alert["alert"] for alert in monitoring.alerts()} == set(re.findall(r'alertname="(\w+)"', tests))


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    sections = dict(_sections(RUNBOOKS.read_text()))
    alerts = monitoring.alerts()
    assert list(sections) == [alert["alert"] for alert in alerts], "in the same order"
    for alert in alerts:
        address, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        assert address.endswith("/docs/runbooks.md")
        assert anchor == alert["alert"].lower()
        assert anchor in pages.anchors(RUNBOOKS)
        for part in ("**Meaning**", "**Diagnosis**", "**Action**"):
            assert part in sections[alert["alert"]], (alert["alert"], part)
        assert {"summary", "description"} < set(alert["annotations"])
        assert alert["labels"]["severity"] in ("info", "warning", "critical")


def test_alerts_are_documented_with_their_severity() -> None:
    documented = {row[0]: row[1] for row in pages.table(MONITORING, "alert")}
    assert documented == {alert["alert"]: alert["labels"]["severity"] for alert in monitoring.alerts()}


def test_the_command_that_makes_a_prometheus_rule_makes_one() -> None:
    (block,) = (block for block in pages.blocks(MONITORING) if "kind: PrometheusRule" in block.text)
    command, _, last = block.text.rstrip().rpartition(" | ")
    assert last == "kubectl apply -f -"
    made = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    rule = yaml.safe_load(made)
    assert (rule["kind"], rule["metadata"]["name"]) == ("PrometheusRule", "tgi-operator")
    assert rule["spec"] == yaml.safe_load(monitoring.ALERTS.read_text())


def _sections(text: str) -> list[tuple[str, str]]:
    parts = re.split(r"^### (\w+)$", text, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


@each_dashboard
def test_panels_have_a_place_and_a_number_of_their_own(name: str) -> None:
    panels = list(monitoring.panels(monitoring.DASHBOARDS[name]))
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
    for one, other in itertools.combinations(panels, 2):
        assert not _overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "w"), ("y", "h"))
    )


@each_dashboard
def test_panels_say_what_they_show_and_ask_the_prometheus_that_is_chosen(name: str) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    dashboard = monitoring.DASHBOARDS[name]
    assert dashboard["uid"] == name
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables.pop("datasource")["type"] == "datasource"
    assert all(variable["datasource"] == chosen for variable in variables.values())
    for panel in (panel for panel in monitoring.panels(dashboard) if panel["type"] != "row"):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["datasource"] == chosen
        assert all(target["datasource"] == chosen for target in panel["targets"])
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
    used = set(re.findall(r"\$(\w+)", json.dumps(dashboard["panels"]))) - {"__rate_interval", "__range"}
    assert used == set(variables)


@each_dashboard
def test_panels_for_each_resource_are_in_a_row_that_is_closed_at_first(name: str) -> None:
    """A thousand resources would be a thousand panels, and as many queries, above the rest."""
    assert not [panel["title"] for panel in monitoring.DASHBOARDS[name]["panels"] if "repeat" in panel]
    rows = [panel for panel in monitoring.DASHBOARDS[name]["panels"] if panel.get("panels")]
    assert all(row["collapsed"] for row in rows)
    assert rows in ([], monitoring.DASHBOARDS[name]["panels"][-1:]), "the last"


@each_dashboard
def test_all_is_all_there_is_and_not_a_list_of_all_names(name: str) -> None:
    queried = [each for each in monitoring.DASHBOARDS[name]["templating"]["list"] if each["type"] == "query"]
    assert all(variable["includeAll"] and variable["allValue"] == ".+" for variable in queried)


def test_what_users_install_for_autoscalers_is_what_the_sandbox_has() -> None:
    values = yaml.safe_load((monitoring.FOLDER / "prometheus-adapter-rules.yaml").read_text())
    assert values == {"rules": {"default": False, "custom": yaml.safe_load(RULES.read_text())["rules"]}}


def test_grafana_finds_the_dashboards_and_prometheus_the_operator() -> None:
    rendered = {manifest["kind"]: manifest for manifest in kustomized(monitoring.FOLDER)}
    config = rendered["ConfigMap"]
    assert config["metadata"]["labels"] == {"grafana_dashboard": "1"}
    boards = {f"{name}.json": board for name, board in monitoring.DASHBOARDS.items()}
    assert {name: json.loads(text) for name, text in config["data"].items()} == boards
    (endpoint,) = rendered["PodMonitor"]["spec"]["podMetricsEndpoints"]
    assert endpoint["honorLabels"], "else the namespace of a resource would be called exported_namespace"
    installed = {manifest["kind"]: manifest for manifest in kustomized()}
    deployment: dict[str, Any] = installed["Deployment"]["spec"]["template"]
    selected = rendered["PodMonitor"]["spec"]["selector"]["matchLabels"].items()
    assert selected <= deployment["metadata"]["labels"].items()
    ports = [port["name"] for port in deployment["spec"]["containers"][0]["ports"]]
    assert endpoint["port"] in ports
