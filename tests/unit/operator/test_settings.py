"""Settings from flags and the environment."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from tgi_operator.settings import Settings

EVERYTHING = {
    "TGI_OPERATOR_SWEEP_INTERVAL": "10",
    "TGI_OPERATOR_SCALING_SWEEP_INTERVAL": "20",
    "TGI_OPERATOR_AWS_READS_PER_SECOND": "2.5",
    "TGI_OPERATOR_AWS_WRITES_PER_SECOND": "0.5",
    "TGI_OPERATOR_AWS_DRIFT_READS_PER_MINUTE": "60",
    "TGI_OPERATOR_AWS_REGIONS": "eu-west-1, us-gov-west-1",
    "TGI_OPERATOR_WATCH_NAMESPACES": "ml, dev,,",
    "TGI_OPERATOR_BACKENDS": "inCluster, sageMaker",
    "TGI_OPERATOR_POD_TEMPLATE": "unrestricted",
    "TGI_OPERATOR_REQUIRE_LABELS": "off",
    "TGI_OPERATOR_SERVICE_ANNOTATIONS": "prometheus.io/*, example.com/team",
    "TGI_OPERATOR_SERVING_PODS_FROM": "gateway, monitoring",
    "TGI_OPERATOR_METRICS_AUTH": "on",
    "TGI_OPERATOR_CLUSTER_ID": "blue",
    "TGI_OPERATOR_IMAGE": "registry/tgi-operator:1",
    "TGI_OPERATOR_ALLOWED_ROLES_FILE": "/etc/tgi-operator/roles.yaml",
    "TGI_OPERATOR_PROMETHEUS_ADDRESS": "http://prometheus:9090",
    "TGI_OPERATOR_KEDA_AUTHENTICATION": "amp",
    "TGI_OPERATOR_KEDA_TRIGGER_METADATA": "awsRegion=us-east-1, customHeaders=a=b",
    "TGI_OPERATOR_QUEUE_SIZE_METRIC": "prometheus.googleapis.com|tgi_queue_size|gauge",
    "TGI_OPERATOR_CONCURRENT_REQUESTS_METRIC": "requests",
    "TGI_OPERATOR_MONITOR_KIND": "PodMonitoring",
    "TGI_OPERATOR_MONITOR_LABELS": "release=prometheus",
    "TGI_OPERATOR_NODE_WAIT_SECONDS": "60",
    "TGI_OPERATOR_WORKERS": "4",
    "TGI_OPERATOR_HTTP_PORT": "0",
    "TGI_OPERATOR_HTTP_ADDRESS": "127.0.0.1",
    "TGI_OPERATOR_LEADER_ELECTION": "on",
    "TGI_OPERATOR_LEADER_ELECTION_NAMESPACE": "tgi-system",
    "TGI_OPERATOR_LEASE_DURATION": "30",
    "TGI_OPERATOR_RENEW_DEADLINE": "20",
    "TGI_OPERATOR_RETRY_PERIOD": "2.5",
    "TGI_OPERATOR_LOG_FORMAT": "text",
    "TGI_OPERATOR_LOG_LEVEL": "DEBUG",
}


def test_every_setting_is_a_variable() -> None:
    assert set(EVERYTHING) == {f"TGI_OPERATOR_{name.upper()}" for name in Settings.model_fields}
    assert Settings.read({}, EVERYTHING) == Settings(
        sweep_interval=10,
        scaling_sweep_interval=20,
        aws_reads_per_second=2.5,
        aws_writes_per_second=0.5,
        aws_drift_reads_per_minute=60,
        aws_regions=("eu-west-1", "us-gov-west-1"),
        watch_namespaces=("ml", "dev"),
        backends=("inCluster", "sageMaker"),
        pod_template="unrestricted",
        require_labels="off",
        service_annotations=("prometheus.io/*", "example.com/team"),
        serving_pods_from=("gateway", "monitoring"),
        metrics_auth="on",
        cluster_id="blue",
        allowed_roles_file="/etc/tgi-operator/roles.yaml",
        prometheus_address="http://prometheus:9090",
        keda_authentication="amp",
        keda_trigger_metadata={"awsRegion": "us-east-1", "customHeaders": "a=b"},
        queue_size_metric="prometheus.googleapis.com|tgi_queue_size|gauge",
        concurrent_requests_metric="requests",
        monitor_kind="PodMonitoring",
        monitor_labels={"release": "prometheus"},
        node_wait_seconds=60,
        workers=4,
        http_port=0,
        http_address="127.0.0.1",
        leader_election="on",
        leader_election_namespace="tgi-system",
        lease_duration=30,
        renew_deadline=20,
        retry_period=2.5,
        log_format="text",
        image="registry/tgi-operator:1",
        log_level="DEBUG",
    )


def test_nothing_set_is_the_defaults() -> None:
    settings = Settings.read({}, {"HOME": "/root", "SWEEP_INTERVAL": "1"})
    assert settings == Settings()
    assert settings.watch_namespaces == ()


def test_flag_wins_over_variable() -> None:
    settings = Settings.read({"workers": "8", "watch_namespaces": "prod"}, EVERYTHING)
    assert (settings.workers, settings.watch_namespaces, settings.log_level) == (8, ("prod",), "DEBUG")


@pytest.mark.parametrize(("text", "namespaces"), [("", ()), (" , ", ()), ("ml", ("ml",)), ("a,b", ("a", "b"))])
def test_namespaces_are_a_list_with_commas(text: str, namespaces: tuple[str, ...]) -> None:
    assert Settings.read({"watch_namespaces": text}, {}).watch_namespaces == namespaces


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sweep_interval", "0"),
        ("sweep_interval", "3601"),
        ("sweep_interval", "often"),
        ("aws_reads_per_second", "-1"),
        ("aws_writes_per_second", "0"),
        ("aws_drift_reads_per_minute", "nan"),
        ("backends", ""),
        ("pod_template", "open"),
        ("require_labels", "false"),
        ("metrics_auth", "true"),
        ("queue_size_metric", ""),
        ("queue_size_metric", "a b"),
        ("keda_trigger_metadata", "awsRegion"),
        ("monitor_kind", "ServiceMonitor"),
        ("monitor_labels", "release"),
        ("monitor_labels", "release=a b"),
        ("keda_trigger_metadata", '{"authModes": 1}'),
        ("workers", "0"),
        ("workers", "2.5"),
        ("http_port", "65536"),
        ("leader_election", "true"),
        ("lease_duration", "2.5"),
        ("renew_deadline", "15"),
        ("retry_period", "10"),
        ("log_format", "xml"),
        ("log_level", "debug"),
    ],
)
def test_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings.read({name: value}, {})
    assert {error["loc"][0] for error in refused.value.errors()} == {name}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"TGI_OPERATOR_SERVING_PODS_FROM": ""}, ()),
        ({"TGI_OPERATOR_SERVING_PODS_FROM": "*"}, ("*",)),
        ({"TGI_OPERATOR_SERVING_PODS_FROM": "gateway"}, ("gateway",)),
    ],
)
def test_no_list_of_namespaces_is_not_an_empty_one(environment: dict[str, str], expected: Any) -> None:
    assert Settings.read({}, environment).serving_pods_from == expected


@pytest.mark.parametrize("key", ["a b", "a=b", "ä"])
def test_what_no_annotation_can_be_called_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match="service_annotations"):
        Settings.read({"service_annotations": f"prometheus.io/*,{key}"}, {})


@pytest.mark.parametrize("name", ["Gateway", "gate*", "a/b", "-a", "a" * 64])
def test_what_no_namespace_can_be_called_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="serving_pods_from"):
        Settings.read({"serving_pods_from": f"monitoring,{name}"}, {})


def test_a_backend_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="backends"):
        Settings.read({"backends": "inCluster,sagemaker"}, {})


def test_a_lease_shorter_than_the_default_deadline_needs_a_shorter_deadline_too() -> None:
    with pytest.raises(ValidationError, match="must be less than lease_duration, which is 5"):
        Settings.read({"lease_duration": "5"}, {})
    assert Settings.read({"lease_duration": "5", "renew_deadline": "3"}, {}).retry_period == 2


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described(name: str) -> None:
    assert (Settings.model_fields[name].description or "").endswith(".")


def test_pairs_with_commas_are_json() -> None:
    headers = {"customHeaders": "X-Client-Id=a,X-Tenant-Id=b", "authModes": "tls,basic"}
    assert Settings.read({"keda_trigger_metadata": json.dumps(headers)}, {}).keda_trigger_metadata == headers
