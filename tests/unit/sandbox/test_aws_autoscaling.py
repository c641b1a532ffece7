"""Application Auto Scaling of the emulator, in-process and on virtual time."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgi_sandbox.aws import iam
from tgi_sandbox.aws.autoscaling.metrics import HIGH_RESOLUTION, INVOCATIONS
from tgi_sandbox.aws.autoscaling.service import ApplicationAutoScaling
from tgi_sandbox.aws.clock import Clock
from tgi_sandbox.aws.faults import Fault, FaultKind
from tgi_sandbox.aws.identity import Identity
from tgi_sandbox.aws.lifecycle import Outcome
from tgi_sandbox.aws.outcomes import Change, Script
from tgi_sandbox.aws.sagemaker import SageMaker
from tgi_sandbox.aws.world import World

IDENTITY = Identity("111122223333", "us-east-1", "application-autoscaling")
ROLE = "arn:aws:iam::111122223333:role/tgi-exec"
ENDPOINT = "falcon"
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": f"endpoint/{ENDPOINT}/variant/v",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
NAMED = (
    "service namespace: sagemaker, resource ID: endpoint/falcon/variant/v, "
    "scalable dimension: sagemaker:variant:DesiredInstanceCount"
)
NOON = datetime(2026, 10, 24, 12, 0, tzinfo=UTC).timestamp()
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
CREATE, SCALE = 240, 240

Json = dict[str, Any]


class RefusalError(Exception):
    """AWS has returned an error."""


class Account:
    """An AWS account whose endpoints run on g5; time begins at noon and advances only on request."""

    def __init__(self) -> None:
        clock = Clock(0)
        clock._origin = NOON
        self.world = World(clock)
        self.services = (SageMaker(self.world), ApplicationAutoScaling(self.world))
        self(
            "CreateModel",
            ModelName="m",
            PrimaryContainer={"Image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/x:1"},
            ExecutionRoleArn=ROLE,
        )
        for name, instance_type in (("small", "ml.g5.xlarge"), ("other", "ml.g5.xlarge"), ("big", "ml.g5.48xlarge")):
            self.config(name, InstanceType=instance_type)
        self.config("burstable", InstanceType="ml.t2.medium")
        self.config("renamed", VariantName="w")

    def config(self, name: str, **fields: Any) -> None:
        variant = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 1}
        self("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=[{**variant, **fields}])

    def __call__(self, operation: str, **request: Any) -> Json:
        """Call an operation of either service."""
        sagemaker = any(member in request for member in ("EndpointName", "EndpointConfigName", "ModelName"))
        service = self.services[0 if sagemaker else 1]
        reply = asyncio.run(service.answer(IDENTITY, operation, json.dumps(request).encode()))
        answer: Json = json.loads(reply.body or b"{}")
        if reply.status != 200:
            raise RefusalError(f"{answer['__type']}: {answer['message']}")
        return answer

    def refusal(self, operation: str, **request: Any) -> str:
        with pytest.raises(RefusalError) as caught:
            self(operation, **request)
        return str(caught.value)

    def wait(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    def create(self, name: str = ENDPOINT, config: str = "small", *, wait: bool = True) -> None:
        self("CreateEndpoint", EndpointName=name, EndpointConfigName=config)
        self.wait(CREATE if wait else 0)

    def register(self, least: int = 1, most: int = 8, **fields: Any) -> str:
        return str(
            self("RegisterScalableTarget", **{**TARGET, "MinCapacity": least, "MaxCapacity": most, **fields})[
                "ScalableTargetARN"
            ]
        )

    def track(self, metric: str = HIGH_RESOLUTION, target: float = 5.0, name: str = "p", **fields: Any) -> Json:
        specification = {"PredefinedMetricSpecification": {"PredefinedMetricType": metric}}
        return self.put(name, {"TargetValue": target, **specification, **fields})

    def put(self, name: str, configuration: Json) -> Json:
        return self(
            "PutScalingPolicy",
            **TARGET,
            PolicyName=name,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=configuration,
        )

    def schedule(self, expression: str, name: str = "a", zone: str | None = None, **bounds: int) -> Json:
        fields = {"Timezone": zone} if zone else {}
        return self(
            "PutScheduledAction",
            **TARGET,
            ScheduledActionName=name,
            Schedule=expression,
            ScalableTargetAction=bounds,
            **fields,
        )

    def target(self) -> Json | None:
        found = self("DescribeScalableTargets", ServiceNamespace="sagemaker", ResourceIds=[TARGET["ResourceId"]])
        return next(iter(found["ScalableTargets"]), None)

    def bounds(self) -> tuple[int, int]:
        found = self.target()
        assert found is not None
        return found["MinCapacity"], found["MaxCapacity"]

    def activities(self, **request: Any) -> list[Json]:
        return list(self("DescribeScalingActivities", ServiceNamespace="sagemaker", **request)["ScalingActivities"])

    def told(self) -> list[tuple[str, str]]:
        return [(each["Description"], each["StatusCode"]) for each in self.activities()]

    def state(self) -> tuple[str, int, int]:
        """Status, running and wanted instances of the endpoint."""
        found = self("DescribeEndpoint", EndpointName=ENDPOINT)
        variant = found["ProductionVariants"][0]
        return found["EndpointStatus"], variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]


@pytest.fixture
def bare() -> Account:
    return Account()


@pytest.fixture
def account(bare: Account) -> Account:
    """An endpoint in service, registered with bounds 1 and 8."""
    bare.create()
    bare.register()
    return bare


class TestTargets:
    def test_register_and_describe(self, account: Account) -> None:
        arn = account.register(2, 6, SuspendedState={"DynamicScalingInSuspended": True})
        assert re.fullmatch(r"arn:aws:application-autoscaling:us-east-1:111122223333:scalable-target/[0-9a-f]{32}", arn)
        assert account.target() == {
            **TARGET,
            "MinCapacity": 2,
            "MaxCapacity": 6,
            "RoleARN": (
                "arn:aws:iam::111122223333:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
                "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
            ),
            "CreationTime": NOON + CREATE,
            "SuspendedState": {
                "DynamicScalingInSuspended": True,
                "DynamicScalingOutSuspended": False,
                "ScheduledScalingSuspended": False,
            },
            "ScalableTargetARN": arn,
        }

    def test_registering_again_changes_only_what_is_said(self, account: Account) -> None:
        account("RegisterScalableTarget", **TARGET, SuspendedState={"ScheduledScalingSuspended": True})
        arn = account("RegisterScalableTarget", **TARGET, MaxCapacity=9)["ScalableTargetARN"]
        found = account.target()
        assert found is not None
        assert (found["MinCapacity"], found["MaxCapacity"], found["ScalableTargetARN"]) == (1, 9, arn)
        assert found["SuspendedState"]["ScheduledScalingSuspended"] is True

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            (
                {"ResourceId": "endpoint/nope/variant/v"},
                "SageMaker endpoint variant does not exist: endpoint/nope/variant/v",
            ),
            (
                {"ResourceId": "endpoint/falcon/variant/w"},
                "SageMaker endpoint variant does not exist: endpoint/falcon/variant/w",
            ),
            ({"ResourceId": "falcon"}, "Unsupported service namespace, resource type or scalable dimension"),
            (
                {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"},
                "Unsupported service namespace, resource type or scalable dimension",
            ),
            (
                {"ScalableDimension": "sagemaker:inference-component:DesiredCopyCount"},
                "Unsupported service namespace, resource type or scalable dimension",
            ),
            ({"MinCapacity": 0}, "MinCapacity must be at least 1 for a real-time endpoint variant."),
            ({"MinCapacity": 9}, "Maximum capacity cannot be less than minimum capacity"),
            (
                {"MaxCapacity": 0, "MinCapacity": None},
                "MinCapacity and MaxCapacity must be specified when registering a new scalable target.",
            ),
            ({"Tags": {"aws:x": "y"}}, 'Tag key "aws:x" uses the reserved prefix aws:.'),
        ],
    )
    def test_refusals(self, bare: Account, change: Json, text: str) -> None:
        bare.create()
        request = {**TARGET, "MinCapacity": 1, "MaxCapacity": 8, **change}
        assert bare.refusal("RegisterScalableTarget", **request) == f"ValidationException: {text}"
        assert bare.target() is None

    def test_burstable_instances_are_refused(self, bare: Account) -> None:
        bare.create(config="burstable")
        assert bare.refusal("RegisterScalableTarget", **TARGET, MinCapacity=1, MaxCapacity=2) == (
            "ValidationException: You cannot register a variant with ml.t2.medium instance type as a scalable target. "
            "This is because the burstable performance of these instances can lead to unpredictable behavior with Auto "
            "Scaling."
        )

    def test_names_of_endpoints_are_lower_case(self, bare: Account) -> None:
        bare.create("Falcon")
        bare.register(ResourceId="endpoint/Falcon/variant/v")
        found = bare.target()
        assert found is not None
        assert found["ResourceId"] == TARGET["ResourceId"]

    @pytest.mark.parametrize(
        ("least", "most", "count", "cause"),
        [(3, 8, 3, "minimum capacity was set to 3"), (1, 2, 2, "maximum capacity was set to 2")],
    )
    def test_registering_brings_instances_within_the_bounds_at_once(
        self, bare: Account, least: int, most: int, count: int, cause: str
    ) -> None:
        bare.config("four", InitialInstanceCount=4 if most == 2 else 1)
        bare.create(config="four")
        bare.register(least, most)
        assert bare.state()[0] == "Updating"
        (activity,) = bare.activities()
        assert re.fullmatch(UUID, activity.pop("ActivityId"))
        described = {
            **TARGET,
            "Description": f"Setting desired instance count to {count}.",
            "Cause": cause,
            "StartTime": NOON + CREATE,
        }
        words = f"Successfully set desired instance count to {count}."
        waiting = f"{words} Waiting for change to be fulfilled by sagemaker."
        assert activity == {**described, "StatusCode": "InProgress", "StatusMessage": waiting}
        bare.wait(SCALE + 100)
        assert bare.state() == ("InService", count, count)
        done = {"StatusCode": "Successful", "StatusMessage": f"{words} Change successfully fulfilled by sagemaker."}
        (activity,) = bare.activities()
        del activity["ActivityId"]
        assert activity == {**described, **done, "EndTime": NOON + CREATE + SCALE}

    def test_an_endpoint_that_changes_is_not_brought_within_the_bounds(self, bare: Account) -> None:
        bare.create(wait=False)
        bare.register(3, 8)
        bare.wait(CREATE + 3600)
        assert bare.state() == ("InService", 1, 1)
        assert bare.activities() == []

    def test_deregistering_takes_policies_and_actions_along(self, account: Account) -> None:
        account.track()
        account.schedule("rate(1 hour)", MinCapacity=2)
        account("DeregisterScalableTarget", **TARGET)
        account.register()
        assert account("DescribeScalingPolicies", ServiceNamespace="sagemaker")["ScalingPolicies"] == []
        assert account("DescribeScheduledActions", ServiceNamespace="sagemaker")["ScheduledActions"] == []
        account.world.load(ENDPOINT, concurrentRequests=50)
        account.wait(7200)
        assert account.bounds() == (1, 8)
        assert account.activities() == []

    @pytest.mark.parametrize(
        ("operation", "fields", "text"),
        [
            ("DeregisterScalableTarget", {}, f"No scalable target found for {NAMED}"),
            ("PutScalingPolicy", {"PolicyName": "p"}, f"No scalable target registered for {NAMED}"),
            ("DeleteScalingPolicy", {"PolicyName": "p"}, f"No scaling policy found for {NAMED}, policy name: p"),
            ("PutScheduledAction", {"ScheduledActionName": "a"}, f"No scalable target registered for {NAMED}"),
            (
                "DeleteScheduledAction",
                {"ScheduledActionName": "a"},
                f"No scheduled action found for {NAMED}, scheduled action name: a",
            ),
        ],
    )
    def test_what_is_not_there(self, bare: Account, operation: str, fields: Json, text: str) -> None:
        bare.create()
        assert bare.refusal(operation, **TARGET, **fields) == f"ObjectNotFoundException: {text}"

    def test_requests_are_validated_by_the_api_model(self, bare: Account) -> None:
        refusal = bare.refusal("RegisterScalableTarget", ServiceNamespace="lambada", ResourceId="")
        assert refusal.startswith(
            "ValidationException: 3 validation errors detected: Value null at 'scalableDimension'"
        )
        assert "Value 'lambada' at 'serviceNamespace' failed to satisfy constraint: Member must satisfy enum" in refusal

    def test_tags(self, account: Account) -> None:
        account("DeregisterScalableTarget", **TARGET)
        arn = account.register(Tags={"a": "1", "b": "2"})
        assert "use the TagResource API" in account.refusal(
            "RegisterScalableTarget", **TARGET, MinCapacity=1, MaxCapacity=8, Tags={"a": "1"}
        )
        account("TagResource", ResourceARN=arn, Tags={"b": "3", "c": "4"})
        account("UntagResource", ResourceARN=arn, TagKeys=["a", "z"])
        assert account("ListTagsForResource", ResourceARN=arn) == {"Tags": {"b": "3", "c": "4"}}
        many = {str(number): "" for number in range(49)}
        assert account.refusal("TagResource", ResourceARN=arn, Tags=many).startswith("TooManyTagsException: ")
        account("DeregisterScalableTarget", **TARGET)
        assert account.refusal("ListTagsForResource", ResourceARN=arn).startswith("ResourceNotFoundException: ")


class TestEndpoints:
    def test_a_registered_variant_keeps_its_instance_type(self, account: Account) -> None:
        for config in ("big", "renamed"):
            refusal = account.refusal("UpdateEndpoint", EndpointName=ENDPOINT, EndpointConfigName=config)
            assert refusal.startswith("ValidationException: ")
            assert "registered with Application Auto Scaling" in refusal
        account("UpdateEndpoint", EndpointName=ENDPOINT, EndpointConfigName="other")
        account.wait(SCALE)
        account("DeregisterScalableTarget", **TARGET)
        account("UpdateEndpoint", EndpointName=ENDPOINT, EndpointConfigName="big")

    def test_deleting_an_endpoint_deregisters_it(self, account: Account) -> None:
        account.track()
        account("DeleteEndpoint", EndpointName=ENDPOINT)
        assert account.target() is None
        account.register()
        account.wait(60)
        assert account.target() is None, "a target of an endpoint that is gone does not stay"
        account.create()
        assert account.target() is None
        assert account("DescribeScalingPolicies", ServiceNamespace="sagemaker")["ScalingPolicies"] == []

    def test_deleting_an_endpoint_needs_the_permission_to_deregister(self, account: Account) -> None:
        account.world.faults.add(Fault(FaultKind.DENY, "DeregisterScalableTarget"))
        refusal = account.refusal("DeleteEndpoint", EndpointName=ENDPOINT)
        assert "does not have application-autoscaling:DeregisterScalableTarget permission" in refusal
        assert account.state()[0] == "InService"
        assert account.target() is not None
        account.world.faults.clear()
        account("DeregisterScalableTarget", **TARGET)
        account.world.faults.add(Fault(FaultKind.DENY, "DeregisterScalableTarget"))
        account("DeleteEndpoint", EndpointName=ENDPOINT)

    @pytest.mark.parametrize(("deregisters", "registered"), [(True, True), (False, False), (False, True)])
    def test_a_policy_without_the_permission_to_deregister_keeps_a_registered_endpoint(
        self, account: Account, deregisters: bool, registered: bool
    ) -> None:
        actions = ["sagemaker:*"] + ["application-autoscaling:DeregisterScalableTarget"] * deregisters
        if not registered:
            account("DeregisterScalableTarget", **TARGET)
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        account.world.policies[IDENTITY.access_key] = iam.read({"Statement": [statement]})
        if deregisters or not registered:
            account("DeleteEndpoint", EndpointName=ENDPOINT)
        else:
            refusal = account.refusal("DeleteEndpoint", EndpointName=ENDPOINT)
            assert "does not have application-autoscaling:DeregisterScalableTarget permission" in refusal
            assert account.state()[0] == "InService"


class TestPolicies:
    def test_put_and_describe(self, account: Account) -> None:
        made = account.track(ScaleOutCooldown=60)
        prefix = r"arn:aws:autoscaling:us-east-1:111122223333:scalingPolicy:"
        place = ":resource/sagemaker/endpoint/falcon/variant/v:policyName/p"
        assert re.fullmatch(prefix + UUID + re.escape(place), made["PolicyARN"])
        names = [alarm["AlarmName"] for alarm in made["Alarms"]]
        for name, kind in zip(names, ("AlarmHigh", "AlarmLow"), strict=True):
            assert re.fullmatch(f"TargetTracking-endpoint/falcon/variant/v-{kind}-{UUID}", name)
        arns = [alarm["AlarmARN"] for alarm in made["Alarms"]]
        assert arns == [f"arn:aws:cloudwatch:us-east-1:111122223333:alarm:{name}" for name in names]
        (found,) = account("DescribeScalingPolicies", ServiceNamespace="sagemaker")["ScalingPolicies"]
        assert found == {
            **TARGET,
            "PolicyName": "p",
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": 5.0,
                "PredefinedMetricSpecification": {"PredefinedMetricType": HIGH_RESOLUTION},
                "ScaleOutCooldown": 60,
            },
            "CreationTime": NOON + CREATE,
            **made,
        }

    def test_putting_again_changes_the_policy_and_keeps_its_names(self, account: Account) -> None:
        made = account.track()
        assert account.track(target=7.0) == made
        (found,) = account("DescribeScalingPolicies", ServiceNamespace="sagemaker")["ScalingPolicies"]
        assert found["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 7.0
        account("DeleteScalingPolicy", **TARGET, PolicyName="p")
        assert account.track()["PolicyARN"] != made["PolicyARN"]

    @pytest.mark.parametrize(
        ("configuration", "text"),
        [
            ({"TargetValue": 5.0}, "Specify exactly one of"),
            (
                {"TargetValue": 0.0, "PredefinedMetricSpecification": {"PredefinedMetricType": INVOCATIONS}},
                "TargetValue",
            ),
            (
                {
                    "TargetValue": 5.0,
                    "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
                },
                "Predefined metric type ECSServiceAverageCPUUtilization is not supported for scalable dimension",
            ),
            (
                {
                    "TargetValue": 5.0,
                    "PredefinedMetricSpecification": {"PredefinedMetricType": INVOCATIONS},
                    "CustomizedMetricSpecification": {"MetricName": "a", "Namespace": "b", "Statistic": "Sum"},
                },
                "Specify exactly one of",
            ),
            ({"TargetValue": 5.0, "CustomizedMetricSpecification": {"MetricName": "a"}}, "needs Namespace, Statistic"),
            (
                {"TargetValue": 5.0, "PredefinedMetricSpecification": {"PredefinedMetricType": HIGH_RESOLUTION}},
                "Only one TargetTrackingScaling policy for a given metric specification is allowed.",
            ),
        ],
    )
    def test_refusals(self, account: Account, configuration: Json, text: str) -> None:
        account.track(name="first")
        with pytest.raises(RefusalError, match=text) as caught:
            account.put("second", configuration)
        assert str(caught.value).startswith("ValidationException: ")

    @pytest.mark.parametrize(
        ("change", "is_same"),
        [
            ({}, True),
            ({"Dimensions": [{"Name": "b", "Value": "2"}, {"Name": "a", "Value": "1"}]}, True),
            ({"Dimensions": [{"Name": "a", "Value": "1"}]}, False),
            ({"Statistic": "Average"}, False),
            ({"MetricName": "other"}, False),
        ],
    )
    def test_a_target_has_one_policy_for_each_customized_metric(
        self, account: Account, change: Json, is_same: bool
    ) -> None:
        dimensions = [{"Name": "a", "Value": "1"}, {"Name": "b", "Value": "2"}]
        metric = {"MetricName": "m", "Namespace": "n", "Statistic": "Sum", "Dimensions": dimensions}
        account.put("first", {"TargetValue": 5.0, "CustomizedMetricSpecification": metric})
        account.put("first", {"TargetValue": 6.0, "CustomizedMetricSpecification": metric})
        second = {"TargetValue": 7.0, "CustomizedMetricSpecification": {**metric, **change}}
        if is_same:
            with pytest.raises(RefusalError, match="Only one TargetTrackingScaling policy for a given metric"):
                account.put("second", second)
            account("DeleteScalingPolicy", **TARGET, PolicyName="first")
        account.put("second", second)

    @pytest.mark.parametrize(
        ("queries", "text"),
        [
            ([{"Id": "e1", "Expression": "m1 * 2"}], "uses m1, which is no metric"),
            ([{"Id": "e1", "Expression": "ANOMALY_DETECTION_BAND(1)"}], "the emulator does not support"),
            (
                [{"Id": "e1", "Expression": "e2"}, {"Id": "e2", "Expression": "e1", "ReturnData": False}],
                "use each other",
            ),
            ([{"Id": "e1", "Expression": "1"}, {"Id": "e2", "Expression": "2"}], "Exactly one"),
            ([{"Id": "e1", "Expression": "1"}, {"Id": "e1", "Expression": "2"}], "must be unique"),
            ([{"Id": "e1"}], "needs either Expression or MetricStat"),
            ([{"Id": "m1", "MetricStat": {"Stat": "Sum", "Metric": {}}}], "needs Namespace and MetricName"),
        ],
    )
    def test_refusals_of_metric_math(self, account: Account, queries: list[Json], text: str) -> None:
        with pytest.raises(RefusalError, match=text):
            account.put("p", {"TargetValue": 5.0, "CustomizedMetricSpecification": {"Metrics": queries}})

    def test_step_scaling_is_kept_and_does_nothing(self, account: Account) -> None:
        steps = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [{"ScalingAdjustment": 1}]}
        request = {**TARGET, "PolicyName": "s", "PolicyType": "StepScaling"}
        made = account("PutScalingPolicy", **request, StepScalingPolicyConfiguration=steps)
        assert made["Alarms"] == []
        assert "needs" not in account.refusal("PutScalingPolicy", **TARGET, PolicyName="t")
        with pytest.raises(RefusalError, match="cannot be changed"):
            account.track(name="s")
        with pytest.raises(RefusalError, match="not supported"):
            account("PutScalingPolicy", **TARGET, PolicyName="x", PolicyType="PredictiveScaling")
        account.world.load(ENDPOINT, concurrentRequests=50)
        account.wait(3600)
        assert account.activities() == []


class TestLimits:
    def test_targets(self, account: Account) -> None:
        account.world.scalable_targets_quota = 1
        account.create("second")
        request = {**TARGET, "ResourceId": "endpoint/second/variant/v", "MinCapacity": 1, "MaxCapacity": 2}
        refusal = account.refusal("RegisterScalableTarget", **request)
        assert refusal.startswith("LimitExceededException: ")
        account.register(1, 4)
        account("DeregisterScalableTarget", **TARGET)
        account("RegisterScalableTarget", **request)

    def test_policies_and_their_pages(self, account: Account) -> None:
        metric = {"MetricName": "a", "Namespace": "b", "Statistic": "Sum"}
        for number in range(50):
            named = {**metric, "MetricName": f"a{number}"}
            account.put(f"p{number:02}", {"TargetValue": 5.0, "CustomizedMetricSpecification": named})
        with pytest.raises(RefusalError, match=r"LimitExceededException: .* 50 "):
            account.track(name="p50")
        account.put("p00", {"TargetValue": 6.0, "CustomizedMetricSpecification": {**metric, "MetricName": "a0"}})
        names: list[str] = []
        request = {"ServiceNamespace": "sagemaker", "ResourceId": TARGET["ResourceId"]}
        page = account("DescribeScalingPolicies", **request)
        while True:
            assert len(page["ScalingPolicies"]) == 10
            names += [policy["PolicyName"] for policy in page["ScalingPolicies"]]
            if "NextToken" not in page:
                break
            page = account("DescribeScalingPolicies", **request, NextToken=page["NextToken"])
        assert names == [f"p{number:02}" for number in range(50)]
        some = account("DescribeScalingPolicies", ServiceNamespace="sagemaker", PolicyNames=["p07", "p09", "none"])
        assert [policy["PolicyName"] for policy in some["ScalingPolicies"]] == ["p07", "p09"]
        assert "between 1 and 10" in account.refusal("DescribeScalingPolicies", **request, MaxResults=11)
        first = account("DescribeScalingPolicies", **request)["NextToken"]
        for change in ({"NextToken": "x"}, {"NextToken": first, "PolicyNames": ["p00"]}):
            refusal = account.refusal("DescribeScalingPolicies", **request, **change)
            assert refusal.startswith("InvalidNextTokenException: ")

    def test_scheduled_actions(self, account: Account) -> None:
        for number in range(200):
            account.schedule("rate(1 day)", f"a{number}", MinCapacity=1)
        with pytest.raises(RefusalError, match=r"LimitExceededException: .* 200 "):
            account.schedule("rate(1 day)", "a200", MinCapacity=1)

    def test_pages_of_targets(self, bare: Account) -> None:
        for number in range(51):
            bare.create(f"e{number:02}", wait=False)
            bare.register(ResourceId=f"endpoint/e{number:02}/variant/v")
        page = bare("DescribeScalableTargets", ServiceNamespace="sagemaker")
        assert len(page["ScalableTargets"]) == 50
        rest = bare("DescribeScalableTargets", ServiceNamespace="sagemaker", NextToken=page["NextToken"])
        assert [target["ResourceId"] for target in rest["ScalableTargets"]] == ["endpoint/e50/variant/v"]
        assert "NextToken" not in rest

    def test_writes_that_come_too_soon_after_another(self, account: Account) -> None:
        account.world.concurrent_update_seconds = 60
        account.wait(60)
        account.track()
        calls: list[tuple[str, Json]] = [
            ("RegisterScalableTarget", {"MaxCapacity": 4}),
            ("DeleteScalingPolicy", {"PolicyName": "p"}),
            (
                "PutScheduledAction",
                {"ScheduledActionName": "a", "Schedule": "rate(1 day)", "ScalableTargetAction": {"MinCapacity": 1}},
            ),
            ("DeregisterScalableTarget", {}),
        ]
        for operation, fields in calls:
            account.wait(14)
            assert account.refusal(operation, **TARGET, **fields) == (
                "ConcurrentUpdateException: You already have a pending update to an Auto Scaling resource."
            )
        assert account.bounds() == (1, 8)
        account.wait(4)
        account("DeregisterScalableTarget", **TARGET)


class TestConsistency:
    def test_reads_lag_behind_writes(self, bare: Account) -> None:
        bare.world.consistency_delay = 20
        bare.wait(20)
        bare.create()
        bare.register()
        bare.track()
        policies = {"ServiceNamespace": "sagemaker"}
        bare.wait(19)
        assert bare.target() is None
        assert bare("DescribeScalingPolicies", **policies)["ScalingPolicies"] == []
        bare.wait(1)
        assert bare.bounds() == (1, 8)
        assert len(bare("DescribeScalingPolicies", **policies)["ScalingPolicies"]) == 1
        bare.register(1, 4)
        assert bare.bounds() == (1, 8)
        bare("DeregisterScalableTarget", **TARGET)
        bare.wait(19)
        assert bare.target() is not None
        assert bare.refusal("DeregisterScalableTarget", **TARGET).startswith("ObjectNotFoundException")
        bare.wait(1)
        assert bare.target() is None
        assert bare("DescribeScalingPolicies", **policies)["ScalingPolicies"] == []

    def test_faults_and_the_journal_know_targets_by_their_endpoint(self, account: Account) -> None:
        account.world.faults.add(Fault(FaultKind.THROTTLE, name=ENDPOINT, times=1))
        account.world.faults.add(Fault(FaultKind.DENY, "PutScalingPolicy"))
        assert account.refusal("RegisterScalableTarget", **TARGET) == "ThrottlingException: Rate exceeded"
        assert "is not authorized to perform: application-autoscaling:PutScalingPolicy" in account.refusal(
            "PutScalingPolicy", **TARGET, PolicyName="p"
        )
        throttled, denied = account.world.journal.since(account.world.journal.calls - 2)
        assert (throttled.service, throttled.name, throttled.outcome) == (
            "application-autoscaling",
            ENDPOINT,
            "ThrottlingException",
        )
        assert denied.outcome == "AccessDeniedException"


class TestTargetTracking:
    def test_three_datapoints_of_ten_seconds_scale_out(self, account: Account) -> None:
        alarms = account.track()["Alarms"]
        account.world.load(ENDPOINT, concurrentRequests=18)
        account.wait(29)
        assert account.state() == ("InService", 1, 1)
        account.wait(1)
        assert account.state() == ("Updating", 1, 4), "18 at 5 each need 4"
        (activity,) = account.activities(ResourceId=TARGET["ResourceId"])
        assert activity["Description"] == "Setting desired instance count to 4."
        assert activity["Cause"] == f"monitor alarm {alarms[0]['AlarmName']} in state ALARM triggered policy p"
        account.wait(SCALE)
        assert account.state() == ("InService", 4, 4)
        account.wait(3600)
        assert account.told() == [("Setting desired instance count to 4.", "Successful")], "18 / 4 is 90 % of 5"

    def test_three_minutes_of_invocations_scale_out_and_fifteen_in(self, account: Account) -> None:
        account.track(INVOCATIONS, 100.0, ScaleInCooldown=0)
        account.world.load(ENDPOINT, invocationsPerMinute=290)
        account.wait(179)
        assert account.state() == ("InService", 1, 1)
        account.wait(1 + SCALE)
        assert account.state() == ("InService", 3, 3)
        account.world.load(ENDPOINT, invocationsPerMinute=110)
        account.wait(899)
        assert account.state() == ("InService", 3, 3)
        account.wait(1)
        assert account.state() == ("Updating", 3, 2)
        account.wait(SCALE)
        account.world.load(ENDPOINT, invocationsPerMinute=None)
        account.wait(60 + SCALE)
        assert account.state() == ("InService", 1, 1), "no traffic at all scales in as well"
        assert "AlarmLow" in account.activities()[0]["Cause"]

    def test_high_resolution_scales_in_after_fifteen_minutes(self, account: Account) -> None:
        account.register(2, 8)
        account.wait(SCALE)
        account.track()
        account.register(1, 8)
        account.wait(890)
        assert account.state() == ("InService", 2, 2)
        account.wait(10)
        assert account.state() == ("Updating", 2, 1)

    def test_the_bounds_hold(self, account: Account) -> None:
        account.register(1, 3)
        account.track()
        account.world.load(ENDPOINT, concurrentRequests=1000)
        account.wait(3600)
        assert account.state() == ("InService", 3, 3)
        account.register(2, 3)
        account.world.load(ENDPOINT, concurrentRequests=0)
        account.wait(3600)
        assert account.state() == ("InService", 2, 2)

    def test_scale_in_that_is_disabled(self, account: Account) -> None:
        account.register(3, 8)
        account.wait(SCALE)
        account.register(1, 8)
        account.track(DisableScaleIn=True)
        account.wait(3600)
        assert account.state() == ("InService", 3, 3)
        account.track(DisableScaleIn=False)
        account.wait(3600)
        assert account.state() == ("InService", 1, 1)

    @pytest.mark.parametrize(
        ("suspended", "out", "in_"),
        [
            ({}, 3, 1),
            ({"DynamicScalingOutSuspended": True}, 2, 1),
            ({"DynamicScalingInSuspended": True}, 3, 3),
            ({"DynamicScalingOutSuspended": True, "DynamicScalingInSuspended": True}, 2, 2),
        ],
    )
    def test_suspended_scaling(self, account: Account, suspended: Json, out: int, in_: int) -> None:
        account.register(2, 8)
        account.wait(SCALE)
        account.register(1, 8, SuspendedState=suspended)
        account.track()
        account.world.load(ENDPOINT, concurrentRequests=15)
        account.wait(1800)
        assert account.state()[1] == out
        account.world.load(ENDPOINT, concurrentRequests=None)
        account.wait(3600)
        assert account.state()[1] == in_
        nothing = dict.fromkeys(("DynamicScalingOutSuspended", "DynamicScalingInSuspended"), False)
        account("RegisterScalableTarget", **TARGET, SuspendedState=nothing)
        account.wait(3600)
        assert account.state()[1] == 1

    def test_nothing_scales_while_the_endpoint_changes(self, account: Account) -> None:
        account.track()
        account("UpdateEndpoint", EndpointName=ENDPOINT, EndpointConfigName="other", RetainAllVariantProperties=True)
        account.world.load(ENDPOINT, concurrentRequests=18)
        account.wait(239)
        assert account.activities() == []
        account.wait(2)
        assert account.state() == ("Updating", 1, 4), "at the first datapoint after"

    def test_cooldowns(self, account: Account) -> None:
        account.track(ScaleOutCooldown=600, ScaleInCooldown=1200)
        account.world.load(ENDPOINT, concurrentRequests=18)
        account.wait(30 + SCALE)
        account.world.load(ENDPOINT, concurrentRequests=24)
        account.wait(599)
        assert account.state() == ("InService", 4, 4)
        account.wait(1)
        assert account.state() == ("Updating", 4, 5)
        account.wait(SCALE)
        account.world.load(ENDPOINT, concurrentRequests=12)
        account.wait(900 + SCALE)
        assert account.state() == ("InService", 3, 3), "the first scaling in waits for its alarm only"
        account.world.load(ENDPOINT, concurrentRequests=4)
        account.wait(1199)
        assert account.state() == ("InService", 3, 3)
        account.wait(1)
        assert account.state() == ("Updating", 3, 1)
        account.wait(SCALE)
        account.world.load(ENDPOINT, concurrentRequests=9)
        account.wait(30)
        assert account.state() == ("Updating", 1, 2), "scaling out does not wait for the cooldown of scaling in"

    def test_a_larger_scale_out_does_not_wait(self, account: Account) -> None:
        account.track()
        account.world.load(ENDPOINT, concurrentRequests=9)
        account.wait(30 + SCALE)
        account.world.load(ENDPOINT, concurrentRequests=20)
        account.wait(30)
        assert account.state() == ("Updating", 2, 4)

    def test_several_policies(self, account: Account) -> None:
        account.track(name="concurrency")
        account.track(INVOCATIONS, 100.0, name="invocations")
        account.world.load(ENDPOINT, concurrentRequests=9, invocationsPerMinute=500)
        account.wait(30)
        assert account.state() == ("Updating", 1, 2)
        account.wait(900)
        assert account.state() == ("InService", 5, 5), "the largest wins"
        account.world.load(ENDPOINT, concurrentRequests=None)
        account.wait(3600)
        assert account.state() == ("InService", 5, 5), "both have to agree to scale in"
        account.world.load(ENDPOINT, invocationsPerMinute=200)
        account.wait(3600)
        assert account.state() == ("InService", 2, 2)

    def test_customized_metrics(self, account: Account) -> None:
        dimensions = [{"Name": "EndpointName", "Value": ENDPOINT}]
        metrics = [
            {
                "Id": f"m{number}",
                "MetricStat": {
                    "Metric": {"Namespace": "n", "MetricName": name, "Dimensions": dimensions},
                    "Stat": "Sum",
                },
                "ReturnData": False,
            }
            for number, name in ((1, "Waiting"), (2, "Workers"))
        ]
        queries = [*metrics, {"Id": "e1", "Expression": "m1 / m2"}]
        account.put("p", {"TargetValue": 10.0, "CustomizedMetricSpecification": {"Metrics": queries}})
        account.world.metric("n", "Waiting", 30, {"EndpointName": ENDPOINT})
        account.wait(3600)
        assert account.state() == ("InService", 1, 1), "where data is missing nothing scales"
        account.world.metric("n", "Workers", 1, {"EndpointName": ENDPOINT})
        account.wait(180)
        assert account.state() == ("Updating", 1, 3)
        account.world.metric("n", "Waiting", None, {"EndpointName": ENDPOINT})
        account.wait(7200)
        assert account.state() == ("InService", 3, 3), "where data is missing nothing scales in either"

    def test_real_requests_count(self, account: Account) -> None:
        account.track()
        region = account.world.region(IDENTITY.account, IDENTITY.region)
        traffic = region.scaling.metrics.traffic[ENDPOINT]
        for _ in range(12):
            traffic.begin(account.world.clock.now())
        account.wait(30 + SCALE)
        assert account.state() == ("InService", 3, 3)
        account.wait(1e6)
        account.world.settled()
        for _ in range(12):
            traffic.end(account.world.clock.now())
        account.wait(900 + SCALE)
        assert account.state() == ("InService", 1, 1), "also after a long time in which nothing has changed"

    def test_a_policy_that_is_put_again_goes_on_counting(self, account: Account) -> None:
        account.track()
        account.world.load(ENDPOINT, concurrentRequests=18)
        for _ in range(3):
            account.wait(10)
            account.track(ScaleInCooldown=60)
        assert account.state() == ("Updating", 1, 4)

    def test_a_policy_that_is_deleted_does_nothing(self, account: Account) -> None:
        account.track()
        account.world.load(ENDPOINT, concurrentRequests=18)
        account.wait(20)
        account("DeleteScalingPolicy", **TARGET, PolicyName="p")
        account.wait(3600)
        assert account.activities() == []

    def test_load_must_be_known_and_not_negative(self, account: Account) -> None:
        for wrong in ({"requests": 1.0}, {"concurrentRequests": -1.0}):
            with pytest.raises(ValueError, match="no load"):
                account.world.load(ENDPOINT, **wrong)


class TestFailures:
    LIMIT = (
        "Failed to set desired instance count to 4. Reason: The account-level service limit 'ml.g5.xlarge for endpoint "
        "usage' is 2 Instances, with current utilization of 1 Instances and a request delta of 3 Instances."
    )

    def test_a_quota_fails_the_activity_and_not_the_endpoint(self, account: Account) -> None:
        account.world.quotas["ml.g5.xlarge"] = 2
        account.track()
        account.world.load(ENDPOINT, concurrentRequests=18)
        account.wait(30)
        assert account.state() == ("InService", 1, 1)
        (activity,) = account.activities()
        assert activity["StatusCode"] == "Failed"
        assert activity["EndTime"] == activity["StartTime"]
        assert activity["StatusMessage"].startswith(self.LIMIT)
        account.wait(59)
        assert len(account.activities()) == 1
        account.wait(1)
        assert len(account.activities()) == 2, "as long as the alarm lasts, every minute"
        account.world.quotas["ml.g5.xlarge"] = 4
        account.wait(60 + SCALE)
        assert account.state() == ("InService", 4, 4)
        assert [code for _, code in account.told()] == ["Successful", "Failed", "Failed"]

    def test_no_capacity_at_once(self, account: Account) -> None:
        account.world.scripts.add(Script(ENDPOINT, Outcome.NO_CAPACITY, on=Change.SCALE))
        account.track()
        account.world.load(ENDPOINT, concurrentRequests=18)
        account.wait(30)
        assert account.state() == ("InService", 1, 1)
        assert "InsufficientInstanceCapacity" in account.activities()[0]["StatusMessage"]
        account.wait(60 + SCALE)
        assert account.state() == ("InService", 4, 4)

    @pytest.mark.parametrize("outcome", [Outcome.NO_CAPACITY, Outcome.PING_FAILURE])
    def test_a_scaling_that_is_rolled_back(self, account: Account, outcome: Outcome) -> None:
        account.world.scripts.add(Script(ENDPOINT, outcome, on=Change.SCALE, seconds=500))
        account.track()
        account.world.load(ENDPOINT, concurrentRequests=18)
        account.wait(30)
        assert account.state() == ("Updating", 1, 4)
        account.wait(500)
        assert account.state()[0] == "RollingBack"
        assert account.told() == [("Setting desired instance count to 4.", "InProgress")]
        account.wait(120)
        assert account.state() == ("InService", 1, 1)
        assert account.told() == [("Setting desired instance count to 4.", "Failed")]
        reason = account("DescribeEndpoint", EndpointName=ENDPOINT)["FailureReason"]
        assert account.activities()[0]["StatusMessage"].endswith(f"Reason: {reason}")
        account.wait(60 + SCALE + 10)
        assert account.state() == ("InService", 4, 4), "and is tried again"

    def test_activities_are_the_newest_first_and_outlive_the_endpoint(self, account: Account) -> None:
        account.register(3, 8)
        account.wait(SCALE)
        account.register(1, 2)
        account.wait(SCALE)
        account("DeleteEndpoint", EndpointName=ENDPOINT)
        account.wait(60)
        wanted = ["Setting desired instance count to 2.", "Setting desired instance count to 3."]
        assert [each["Description"] for each in account.activities()] == wanted
        page = account("DescribeScalingActivities", ServiceNamespace="sagemaker", MaxResults=1)
        assert [each["Description"] for each in page["ScalingActivities"]] == wanted[:1]
        assert [each["Description"] for each in account.activities(NextToken=page["NextToken"])] == wanted[1:]
        assert [each["Description"] for each in account.activities(IncludeNotScaledActivities=True)] == wanted
        assert account.activities(ResourceId="endpoint/other/variant/v") == []


class TestScheduledActions:
    def test_put_and_describe(self, account: Account) -> None:
        account.schedule("cron(0 8 * * ? *)", zone="Europe/Madrid", MinCapacity=2)
        (found,) = account("DescribeScheduledActions", ServiceNamespace="sagemaker")["ScheduledActions"]
        arn = found.pop("ScheduledActionARN")
        prefix = "arn:aws:autoscaling:us-east-1:111122223333:scheduledAction:"
        place = ":resource/sagemaker/endpoint/falcon/variant/v:scheduledActionName/a"
        assert re.fullmatch(prefix + UUID + re.escape(place), arn)
        assert found == {
            **TARGET,
            "ScheduledActionName": "a",
            "Schedule": "cron(0 8 * * ? *)",
            "Timezone": "Europe/Madrid",
            "ScalableTargetAction": {"MinCapacity": 2},
            "CreationTime": NOON + CREATE,
        }

    def test_an_update_keeps_what_it_leaves_out_but_for_start_and_end(self, account: Account) -> None:
        request = {**TARGET, "ScheduledActionName": "a"}
        account.schedule("rate(1 hour)", MinCapacity=2)
        account("PutScheduledAction", **request, StartTime=NOON + 9000, EndTime=NOON + 99000)
        (found,) = account("DescribeScheduledActions", ServiceNamespace="sagemaker")["ScheduledActions"]
        assert (found["Schedule"], found["StartTime"], found["EndTime"]) == ("rate(1 hour)", NOON + 9000, NOON + 99000)
        account("PutScheduledAction", **request, Schedule="rate(2 hours)")
        (found,) = account("DescribeScheduledActions", ServiceNamespace="sagemaker")["ScheduledActions"]
        assert (found["Schedule"], found["ScalableTargetAction"]) == ("rate(2 hours)", {"MinCapacity": 2})
        assert "StartTime" not in found

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({"Schedule": None}, "Schedule is required"),
            ({"Schedule": "0 8 * * *"}, "Invalid schedule: 0 8"),
            ({"Timezone": "Europe/Atlantis"}, "Invalid schedule: Europe/Atlantis is no time zone"),
            ({"ScalableTargetAction": {}}, "MinCapacity or MaxCapacity"),
            ({"ScalableTargetAction": {"MinCapacity": 0}}, "at least 1"),
            ({"ScalableTargetAction": {"MinCapacity": 3, "MaxCapacity": 2}}, "cannot be less than minimum"),
            ({"StartTime": NOON + 10, "EndTime": NOON}, "EndTime must be later"),
        ],
    )
    def test_refusals(self, account: Account, fields: Json, text: str) -> None:
        good = {"Schedule": "rate(1 day)", "ScalableTargetAction": {"MinCapacity": 2}}
        request = {
            key: value
            for key, value in {**TARGET, "ScheduledActionName": "a", **good, **fields}.items()
            if value is not None
        }
        refusal = account.refusal("PutScheduledAction", **request)
        assert refusal.startswith("ValidationException: ")
        assert text in refusal

    def test_bounds_follow_the_clock_of_the_zone(self, account: Account) -> None:
        """Daylight saving time ends in Madrid in the following night."""
        account.schedule("cron(0 20 * * ? *)", "night", "Europe/Madrid", MinCapacity=1, MaxCapacity=2)
        account.schedule("cron(0 8 * * ? *)", "day", "Europe/Madrid", MinCapacity=3, MaxCapacity=9)
        account.wait(6 * 3600 - CREATE - 1)
        assert account.bounds() == (1, 8)
        account.wait(1)
        assert account.bounds() == (1, 2)
        account.wait(13 * 3600 - 1)
        assert account.bounds() == (1, 2)
        account.wait(1)
        assert account.bounds() == (3, 9)
        assert account.state() == ("Updating", 1, 3)
        account.wait(SCALE)
        newest, bounds, _ = account.activities()
        assert newest["Description"] == "Setting desired instance count to 3."
        assert newest["Cause"] == "minimum capacity was set to 3"
        assert bounds["Description"] == "Setting min capacity to 3 and max capacity to 9"
        assert bounds["Cause"] == "scheduled action name day was triggered"
        assert bounds["StatusCode"] == "Successful"
        account.wait(12 * 3600)
        assert account.bounds() == (1, 2)
        assert account.state() == ("InService", 2, 2)

    def test_start_and_end_and_suspension(self, account: Account) -> None:
        begin = account.world.clock.now()
        request = {**TARGET, "ScheduledActionName": "a", "Schedule": "rate(1 hour)"}
        limits = {"StartTime": begin + 5400, "EndTime": begin + 9000}
        account("PutScheduledAction", **request, **limits, ScalableTargetAction={"MaxCapacity": 5})
        account.wait(5390)
        assert account.bounds() == (1, 8)
        account.wait(10)
        assert account.bounds() == (1, 5), "it runs at its start, and then by its schedule"
        account.register(1, 8)
        account.wait(3600)
        assert account.bounds() == (1, 5)
        account.register(1, 8)
        account.wait(7200)
        assert account.bounds() == (1, 8)
        account.schedule("at(2026-10-24T18:00:00)", "b", MaxCapacity=4)
        account("RegisterScalableTarget", **TARGET, SuspendedState={"ScheduledScalingSuspended": True})
        account.wait(86400)
        assert account.bounds() == (1, 8)

    def test_an_action_that_is_changed_or_deleted_in_time_does_not_act(self, account: Account) -> None:
        account.schedule("rate(1 hour)", "a", MaxCapacity=5)
        account.schedule("rate(1 hour)", "b", MaxCapacity=6)
        account.wait(3599)
        account.schedule("rate(2 hours)", "a", MaxCapacity=5)
        account("DeleteScheduledAction", **TARGET, ScheduledActionName="b")
        account.wait(3600)
        assert account.bounds() == (1, 8)
        account.wait(1)
        assert account.bounds() == (1, 5)

    def test_a_bound_beyond_the_other_does_nothing(self, account: Account) -> None:
        account.schedule("rate(1 hour)", MinCapacity=9)
        account.wait(4000)
        assert account.bounds() == (1, 8)
        assert account.activities() == []

    def test_an_endpoint_that_changes_is_brought_within_the_bounds_after(self, account: Account) -> None:
        account.schedule("at(2026-10-24T12:05:00)", MinCapacity=3)
        account("UpdateEndpoint", EndpointName=ENDPOINT, EndpointConfigName="other")
        account.wait(60)
        assert account.bounds() == (3, 8)
        assert account.state() == ("Updating", 1, 1)
        account.wait(180 + SCALE)
        assert account.state() == ("InService", 3, 3)


def history(account: Account) -> tuple[Any, ...]:
    hidden = ("ActivityId", "Cause")
    told = [{key: value for key, value in each.items() if key not in hidden} for each in account.activities()]
    return account.state(), account.bounds(), told


LOADS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 2000)), min_size=1, max_size=5)


def busy() -> Account:
    account = Account()
    account.create()
    account.register(1, 6)
    account.track(ScaleOutCooldown=60, ScaleInCooldown=120)
    account.track(INVOCATIONS, 40.0, name="i")
    account.schedule("rate(17 minutes)", "up", MinCapacity=2, MaxCapacity=5)
    account.schedule("rate(29 minutes)", "down", MinCapacity=1, MaxCapacity=3)
    account.world.quotas["ml.g5.xlarge"] = 5
    return account


@settings(max_examples=25, deadline=None)
@given(loads=LOADS, step=st.sampled_from([1, 7, 60, 333]))
def test_many_small_steps_lead_where_a_large_one_does(loads: list[tuple[int, int]], step: int) -> None:
    at_once, in_steps = busy(), busy()
    for requests, seconds in loads:
        for account in (at_once, in_steps):
            account.world.load(ENDPOINT, concurrentRequests=requests, invocationsPerMinute=requests * 7)
        at_once.wait(seconds)
        for _ in range(seconds // step):
            in_steps.wait(step)
            in_steps.world.settled()
        in_steps.wait(seconds % step)
        assert history(at_once) == history(in_steps)


@settings(max_examples=25, deadline=None)
@given(loads=LOADS, data=st.data())
def test_what_runs_is_within_the_bounds_of_its_time(loads: list[tuple[int, int]], data: st.DataObject) -> None:
    account = busy()
    del account.world.quotas["ml.g5.xlarge"]
    for requests, seconds in loads:
        account.world.load(ENDPOINT, concurrentRequests=requests, invocationsPerMinute=requests * 7)
        account.wait(seconds)
        if data.draw(st.booleans()):
            least = data.draw(st.integers(1, 4))
            account.register(least, least + data.draw(st.integers(0, 3)))
        account.wait(SCALE)
        account.world.settled()
        for activity in account.activities():
            assert activity["StatusCode"] in ("Successful", "InProgress")
        status, current, wanted = account.state()
        assert current == wanted or status == "Updating"
    account("DeleteScheduledAction", **TARGET, ScheduledActionName="up")
    account("DeleteScheduledAction", **TARGET, ScheduledActionName="down")
    account.register(2, 3)
    account.wait(2 * SCALE)
    account.register(2, 3)
    account.wait(3600)
    assert account.state()[0] == "InService"
    assert 2 <= account.state()[1] <= 3


def test_a_reset_empties_everything(account: Account) -> None:
    account.track()
    account.schedule("rate(1 hour)", MinCapacity=2)
    account.world.load(ENDPOINT, concurrentRequests=18)
    account.world.scalable_targets_quota = 1
    account.wait(30)
    account.world.reset()
    assert account.target() is None
    assert account.activities() == []
    assert account.world.scalable_targets_quota == 500
    assert account.world.pretended.loads == {}
