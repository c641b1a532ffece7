"""spec.autoscaling as requests to Application Auto Scaling: valid by AWS's own model, with stable names."""

from typing import Any

import pytest

from tgi_operator.api.autoscaling import Autoscaling
from tgi_operator.backends.plans.schedules import Bounds
from tgi_operator.backends.sagemaker.desired import scaling_policies
from tgi_operator.backends.sagemaker.seen import scalable_target
from tgi_sandbox.aws.validation import validate

GPU = {"namespace": "/aws/sagemaker/Endpoints", "metricName": "GPUUtilization", "statistic": "Average"}


def wanted(**fields: Any) -> scaling_policies.Scaling:
    return scaling_policies.wanted(Autoscaling.model_validate({"maxReplicas": 4, **fields}), "ml-falcon")


def custom(value: str = "70", **cloud_watch: Any) -> dict[str, Any]:
    return {"type": "CloudWatch", "target": {"value": value}, "cloudWatch": {"metrics": [GPU], **cloud_watch}}


EVERYTHING: dict[str, Any] = {
    "metrics": [
        {"type": "ConcurrentRequests", "target": {"averageValue": "7500m"}},
        {"type": "InvocationsPerInstance", "target": {"averageValue": 70}},
        custom(),
        custom(
            expression="waiting / hosts",
            metrics=[
                {**GPU, "id": "waiting", "dimensions": [{"name": "EndpointName", "value": "other"}]},
                {**GPU, "id": "hosts"},
            ],
        ),
    ],
    "behavior": {
        "scaleUp": {"stabilizationWindowSeconds": 0},
        "scaleDown": {"stabilizationWindowSeconds": 900, "selectPolicy": "Disabled"},
    },
    "schedules": [
        {"name": "day", "timeZone": "Europe/Madrid", "start": "0 8 * * *", "end": "0 20 * * *", "minReplicas": 2}
    ],
}


def test_every_request_is_one_that_aws_accepts() -> None:
    made = wanted(**EVERYTHING)
    validate("RegisterScalableTarget", made.register(Bounds(1, 4)))
    for name in made.policies:
        validate("PutScalingPolicy", made.put_policy(name))
    for name in made.actions:
        validate("PutScheduledAction", made.put_action(name))
    assert len(made.policies) == 4
    assert made.register(Bounds(1, 4))["ResourceId"] == "endpoint/ml-falcon/variant/AllTraffic"


def test_metrics_become_target_tracking() -> None:
    policies = wanted(**EVERYTHING).policies
    concurrent = policies["tgi-operator-ConcurrentRequests"]
    assert concurrent == {
        "TargetValue": 7.5,
        "ScaleOutCooldown": 0,
        "ScaleInCooldown": 900,
        "DisableScaleIn": True,
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
        },
    }
    customized = [each.get("CustomizedMetricSpecification", {}) for each in policies.values()]
    (single,) = (each for each in customized if "Statistic" in each)
    (math,) = (each for each in customized if "Metrics" in each)
    assert single["Dimensions"] == [
        {"Name": "EndpointName", "Value": "ml-falcon"},
        {"Name": "VariantName", "Value": "AllTraffic"},
    ]
    assert [query["ReturnData"] for query in math["Metrics"]] == [False, False, True]
    assert math["Metrics"][0]["MetricStat"]["Metric"]["Dimensions"] == [{"Name": "EndpointName", "Value": "other"}]


def test_the_default_is_concurrent_requests_with_cooldowns() -> None:
    ((name, policy),) = wanted().policies.items()
    assert name == "tgi-operator-ConcurrentRequests"
    assert (policy["TargetValue"], policy["ScaleOutCooldown"], policy["ScaleInCooldown"]) == (5.0, 60, 300)


def test_another_target_keeps_the_name_and_changes_the_revision() -> None:
    one, other = wanted(metrics=[custom("70")]), wanted(metrics=[custom("80")])
    assert set(one.policies) == set(other.policies)
    assert one.revision != other.revision
    assert set(one.policies) != set(wanted(metrics=[custom(metrics=[{**GPU, "statistic": "Maximum"}])]).policies)


def test_other_bounds_are_another_revision() -> None:
    assert wanted().revision != wanted(minReplicas=2).revision


def test_an_end_at_the_minute_of_a_start_is_left_out() -> None:
    """AWS does not document which of two actions at the same minute runs last."""
    day = {"name": "day", "start": "0 8 * * *", "end": "0 20 * * *", "minReplicas": 3}
    night = {"name": "night", "start": "0 20 * * *", "end": "0 8 * * *", "maxReplicas": 2}
    assert set(wanted(schedules=[day, night]).actions) == {"tgi-operator-day-start", "tgi-operator-night-start"}


@pytest.mark.parametrize(
    ("live", "fits"),
    [
        ({"a": 1, "b": {"c": False}, "more": 1}, True),
        ({"a": 1, "b": {}}, True),
        ({"a": 1}, False),
        ({"a": 2, "b": {"c": False}}, False),
        ({"a": 1, "b": {"c": True}}, False),
        (None, False),
    ],
)
def test_what_aws_fills_in_is_no_difference(live: dict[str, Any] | None, fits: bool) -> None:
    assert scalable_target.is_as_wanted(live, {"a": 1, "b": {"c": False}}) is fits
