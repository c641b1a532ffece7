"""The objects by which Prometheus finds the pods."""

from typing import Any

import pytest

from tgi_operator.backends.incluster.desired import names
from tgi_operator.backends.incluster.desired.monitor import Monitoring, monitor
from tgi_operator.backends.incluster.kinds import POD_MONITOR, POD_MONITORING, Kind
from unit.operator.incluster.given import OWNER, resource, spec, target

ENDPOINT = {"port": "http", "path": "/metrics", "interval": "15s"}


@pytest.mark.parametrize(
    ("kind", "endpoints"),
    [(POD_MONITOR, {"podMetricsEndpoints": [ENDPOINT]}), (POD_MONITORING, {"endpoints": [ENDPOINT]})],
    ids=["Prometheus Operator", "Google Cloud"],
)
def test_pods_are_selected_by_their_labels(kind: Kind, endpoints: dict[str, Any]) -> None:
    made = monitor(OWNER, target(resource(spec())), Monitoring(kind))
    assert (made["kind"], made["apiVersion"]) == (kind.name, kind.api_version)
    assert made["spec"] == {"selector": {"matchLabels": names.selector(OWNER)}} | endpoints


@pytest.mark.parametrize(
    ("of_settings", "of_spec", "expected"),
    [
        ({}, {"release": "prometheus"}, {"release": "prometheus"}),
        ({"release": "prometheus"}, {}, {"release": "prometheus"}),
        ({"release": "prometheus", "team": "a"}, {"release": "own"}, {"release": "own", "team": "a"}),
        ({names.LABEL_NAME: "other"}, {"app.kubernetes.io/managed-by": "Helm"}, {}),
    ],
    ids=["of the spec", "of the settings", "the spec wins", "the operator's stay"],
)
def test_labels_by_which_a_prometheus_selects(
    of_settings: dict[str, str], of_spec: dict[str, str], expected: dict[str, str]
) -> None:
    described = target(resource(spec(podMonitor={"labels": of_spec, "interval": "30s"})))
    made = monitor(OWNER, described, Monitoring(POD_MONITOR, of_settings))
    assert made["metadata"]["labels"] == names.labels(OWNER) | expected
    assert made["spec"]["podMetricsEndpoints"][0]["interval"] == "30s"
