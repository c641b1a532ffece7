"""SageMaker of the emulator, as boto3 sees it: AWS's error messages, life cycle, quotas, tags and lists."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tgi_sandbox.aws.server import AwsDouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from botocore.client import BaseClient

    from tgi_sandbox.aws.control import Control

ACCOUNT = "111122223333"
PREFIX = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/tgi-exec"
TGI = (
    "763104351884.dkr.ecr.us-east-1.amazonaws.com/"
    "huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6-gpu-py311-cu124-ubuntu22.04"
)
FALCON = {"HF_MODEL_ID": "tiiuae/falcon-7b", "SM_NUM_GPUS": "1"}
PING_FAILURE = (
    "The primary container for production variant AllTraffic did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint."
)


@pytest.fixture(scope="module")
def double() -> Iterator[AwsDouble]:
    with AwsDouble(clock="manual") as started:
        yield started


@pytest.fixture
def control(double: AwsDouble) -> Control:
    double.control.reset()
    return double.control


@pytest.fixture(scope="module")
def client(double: AwsDouble) -> BaseClient:
    return boto3.client(
        "sagemaker",
        endpoint_url=double.address,
        region_name="us-east-1",
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


@pytest.fixture
def sagemaker(control: Control, client: BaseClient) -> BaseClient:
    return client


def create_model(sagemaker: BaseClient, name: str = "m", **container: object) -> None:
    primary = {"Image": TGI, "Environment": FALCON, **container}
    sagemaker.create_model(ModelName=name, PrimaryContainer=primary, ExecutionRoleArn=ROLE)


def create_config(sagemaker: BaseClient, name: str, model: str = "m", count: int = 1, **variant: object) -> None:
    made = {"VariantName": "AllTraffic", "ModelName": model, "InstanceType": "ml.g5.12xlarge"}
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[{**made, "InitialInstanceCount": count, **variant}]
    )


def create_endpoint(sagemaker: BaseClient, name: str = "e", config: str = "c1") -> None:
    create_model(sagemaker)
    for created in ("c1", "c2"):
        create_config(sagemaker, created)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)


def describe(sagemaker: BaseClient, name: str = "e") -> dict[str, Any]:
    described: dict[str, Any] = sagemaker.describe_endpoint(EndpointName=name)
    return described


def refusal(call: Callable[..., Any], **request: object) -> str:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return f"{error['Code']}: {error['Message']}"


def numbered(numbers: Iterable[int], value: str) -> list[dict[str, str]]:
    return [{"Key": f"k{number:02}", "Value": value} for number in numbers]


class TestRefusals:
    def test_what_does_not_exist(self, sagemaker: BaseClient) -> None:
        for call, request, text in [
            (sagemaker.describe_endpoint, {"EndpointName": "Nope"}, f'endpoint "{PREFIX}:endpoint/nope"'),
            (sagemaker.delete_endpoint, {"EndpointName": "nope"}, f'endpoint "{PREFIX}:endpoint/nope"'),
            (sagemaker.describe_model, {"ModelName": "nope"}, f'model "{PREFIX}:model/nope"'),
            (
                sagemaker.create_endpoint,
                {"EndpointName": "e", "EndpointConfigName": "nope"},
                f'endpoint configuration "{PREFIX}:endpoint-config/nope"',
            ),
        ]:
            assert refusal(call, **request) == f"ValidationException: Could not find {text}."

    def test_names_that_are_taken(self, sagemaker: BaseClient, control: Control) -> None:
        create_endpoint(sagemaker)
        text = "ValidationException: Cannot create already existing"
        assert refusal(create_model, sagemaker=sagemaker) == f'{text} model "{PREFIX}:model/m".'
        assert (
            refusal(create_config, sagemaker=sagemaker, name="C1")
            == f'{text} endpoint configuration "{PREFIX}:endpoint-config/c1".'
        )
        request = {"EndpointName": "E", "EndpointConfigName": "c1"}
        taken = f'{text} endpoint "{PREFIX}:endpoint/e".'
        assert refusal(sagemaker.create_endpoint, **request) == taken
        control.advance(240)
        sagemaker.delete_endpoint(EndpointName="e")
        assert refusal(sagemaker.create_endpoint, **request) == taken, "a Deleting endpoint still has its name"
        control.advance(60)
        sagemaker.create_endpoint(**request)

    def test_nothing_can_be_changed_while_it_changes(self, sagemaker: BaseClient, control: Control) -> None:
        create_endpoint(sagemaker)
        busy = f'ValidationException: Cannot update in-progress endpoint "{PREFIX}:endpoint/e".'
        calls: list[tuple[Any, dict[str, Any]]] = [
            (sagemaker.delete_endpoint, {"EndpointName": "e"}),
            (sagemaker.update_endpoint, {"EndpointName": "e", "EndpointConfigName": "c2"}),
            (
                sagemaker.update_endpoint_weights_and_capacities,
                {"EndpointName": "e", "DesiredWeightsAndCapacities": [{"VariantName": "AllTraffic"}]},
            ),
        ]
        for call, request in calls:
            assert refusal(call, **request) == busy
        control.advance(240)
        sagemaker.delete_endpoint(EndpointName="e")
        for call, request in calls:
            assert refusal(call, **request) == busy

    def test_update_to_the_configuration_in_use(self, sagemaker: BaseClient, control: Control) -> None:
        create_endpoint(sagemaker)
        control.advance(240)
        assert refusal(sagemaker.update_endpoint, EndpointName="e", EndpointConfigName="c1") == (
            'ValidationException: Cannot update endpoint with the currently in use endpoint configuration "c1".'
        )

    def test_update_needs_the_old_configuration_too(self, sagemaker: BaseClient, control: Control) -> None:
        create_endpoint(sagemaker)
        control.advance(240)
        sagemaker.delete_endpoint_config(EndpointConfigName="c1")
        assert refusal(sagemaker.update_endpoint, EndpointName="e", EndpointConfigName="c2") == (
            f'ValidationException: Could not find endpoint configuration "{PREFIX}:endpoint-config/c1".'
        )

    def test_containers(self, sagemaker: BaseClient) -> None:
        request = {"ModelName": "m", "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Environment": {}}}
        assert refusal(sagemaker.create_model, **request).endswith(
            "Specify one of either Image and Model Data URL or ModelPackageName in container definition."
        )
        other = {**request, "PrimaryContainer": {"Image": TGI}, "ExecutionRoleArn": ROLE.replace("2222", "9999")}
        assert "Cross-account pass role" in refusal(sagemaker.create_model, **other)

    @pytest.mark.parametrize(
        ("setting", "prefix", "text"),
        [
            (
                "unreadable_model_data",
                "s3://weights/",
                (
                    f'Could not access model data at s3://weights/falcon/. Please ensure that the role "{ROLE}" exists '
                    'and that its trust relationship policy allows the action "sts:AssumeRole" for the service '
                    'principal "sagemaker.amazonaws.com". Also ensure that the role has "s3:GetObject" permissions and '
                    "that the object is located in us-east-1. If your Model uses multiple models or uncompressed "
                    'models, please ensure that the role has "s3:ListBucket" permission.'
                ),
            ),
            ("missing_images", TGI.partition(":")[0], f"Requested image {TGI} not found."),
        ],
    )
    def test_images_and_data_that_sagemaker_cannot_read(
        self, sagemaker: BaseClient, control: Control, setting: str, prefix: str, text: str
    ) -> None:
        source = {"S3Uri": "s3://weights/falcon/", "S3DataType": "S3Prefix", "CompressionType": "None"}
        made = {"sagemaker": sagemaker, "ModelDataSource": {"S3DataSource": source}}
        switch = getattr(control, setting)
        switch("s3://other/", prefix)
        assert refusal(create_model, **made) == f"ValidationException: {text}"
        assert sagemaker.list_models()["Models"] == []
        switch("s3://other/")
        create_model(**made)
        switch(prefix)
        control.reset()
        create_model(**made)

    @pytest.mark.parametrize("image", ["ghcr.io/huggingface/text-generation-inference:3.3.6", "public.ecr.aws/x:1"])
    def test_images_of_other_registries_need_a_vpc(self, sagemaker: BaseClient, image: str) -> None:
        assert refusal(create_model, sagemaker=sagemaker, Image=image) == (
            f'ValidationException: Using non-ECR image "{image}" without Vpc repository access mode is not supported.'
        )
        create_model(sagemaker, Image=image, ImageConfig={"RepositoryAccessMode": "Vpc"})

    def test_variants(self, sagemaker: BaseClient) -> None:
        create_model(sagemaker)
        refused: list[tuple[dict[str, Any], str]] = [
            ({"ManagedInstanceScaling": {"Status": "ENABLED"}}, "only supported for inference component endpoints."),
            ({"VolumeSizeInGB": 100}, "VolumeSizeInGB parameter is not allowed"),
            ({"ModelName": "nope"}, "Could not find model"),
            ({"InstancePools": [{"InstanceType": "ml.g5.xlarge", "Priority": 1}]}, "Specify one of InstanceType"),
        ]
        for variant, text in refused:
            assert text in refusal(create_config, sagemaker=sagemaker, name="c", **variant)


class TestValidation:
    def test_every_current_instance_type_is_known(self, sagemaker: BaseClient) -> None:
        create_model(sagemaker)
        for instance_type in ("ml.g5.48xlarge", "ml.g6e.12xlarge", "ml.p5en.48xlarge", "ml.inf2.xlarge"):
            create_config(sagemaker, instance_type.replace(".", "-"), InstanceType=instance_type)

    def test_a_wrong_enum_value(self, sagemaker: BaseClient) -> None:
        create_model(sagemaker)
        text = refusal(create_config, sagemaker=sagemaker, name="c", InstanceType="ml.g99.xlarge")
        assert text.startswith(
            "ValidationException: 1 validation error detected: Value 'ml.g99.xlarge' at "
            "'productionVariants.1.member.instanceType' failed to satisfy constraint: "
            "Member must satisfy enum value set: [ml."
        )

    def test_all_violations_at_once(self, sagemaker: BaseClient) -> None:
        text = refusal(sagemaker.create_model, PrimaryContainer={"Image": "a b"}, ExecutionRoleArn=ROLE)
        assert text == (
            "ValidationException: 2 validation errors detected: "
            "Value null at 'modelName' failed to satisfy constraint: Member must not be null; "
            "Value 'a b' at 'primaryContainer.image' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [\\S]+"
        )


class TestLifeCycle:
    def test_creation(self, sagemaker: BaseClient, control: Control) -> None:
        create_endpoint(sagemaker, name="Mine")
        creating = describe(sagemaker, "mine")
        assert (creating["EndpointName"], creating["EndpointStatus"]) == ("Mine", "Creating")
        assert creating["EndpointArn"] == f"{PREFIX}:endpoint/mine"
        assert "ProductionVariants" not in creating
        control.advance(239)
        assert describe(sagemaker, "mine")["EndpointStatus"] == "Creating"
        control.advance(1)
        ready = describe(sagemaker, "mine")
        assert ready["EndpointStatus"] == "InService"
        assert ready["ProductionVariants"][0]["CurrentInstanceCount"] == 1
        assert "PendingDeploymentSummary" not in ready
        assert ready["LastModifiedTime"] > ready["CreationTime"]

    def test_an_update_keeps_the_old_configuration_until_it_succeeds(
        self, sagemaker: BaseClient, control: Control
    ) -> None:
        create_endpoint(sagemaker)
        control.advance(240)
        sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="c2")
        updating = describe(sagemaker)
        assert (updating["EndpointStatus"], updating["EndpointConfigName"]) == ("Updating", "c1")
        assert updating["PendingDeploymentSummary"]["EndpointConfigName"] == "c2"
        launching = updating["PendingDeploymentSummary"]["ProductionVariants"][0]
        assert launching["VariantStatus"][0]["StatusMessage"] == "Launching 1 instance(s)."
        control.advance(240)
        done = describe(sagemaker)
        assert (done["EndpointStatus"], done["EndpointConfigName"]) == ("InService", "c2")

    def test_a_failed_update_returns_to_the_old_configuration_and_says_why(
        self, sagemaker: BaseClient, control: Control
    ) -> None:
        create_endpoint(sagemaker)
        control.advance(240)
        control.script("e", "no_capacity", on="update")
        sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="c2")
        control.advance(1320)
        failed = describe(sagemaker)
        assert (failed["EndpointStatus"], failed["EndpointConfigName"]) == ("InService", "c1")
        assert "InsufficientInstanceCapacity" in failed["FailureReason"]
        sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="c2")
        assert "FailureReason" in describe(sagemaker)
        control.advance(240)
        assert "FailureReason" not in describe(sagemaker)

    def test_a_failed_rollback_can_be_updated_again(self, sagemaker: BaseClient, control: Control) -> None:
        create_endpoint(sagemaker)
        control.advance(240)
        control.script("e", "rollback_failed")
        sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="c2")
        control.advance(240)
        assert describe(sagemaker)["EndpointStatus"] == "UpdateRollbackFailed"
        sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="c2")
        control.advance(240)
        assert describe(sagemaker)["EndpointConfigName"] == "c2"

    def test_a_failed_endpoint_can_only_be_deleted(self, sagemaker: BaseClient, control: Control) -> None:
        control.script("e", "internal_error")
        create_endpoint(sagemaker)
        control.advance(240)
        failed = describe(sagemaker)
        assert failed["EndpointStatus"] == "Failed"
        assert failed["FailureReason"].startswith("Request to service failed")
        assert "Failed" in refusal(sagemaker.update_endpoint, EndpointName="e", EndpointConfigName="c2")
        sagemaker.delete_endpoint(EndpointName="e")
        assert describe(sagemaker)["EndpointStatus"] == "Deleting"
        control.advance(60)
        assert "Could not find endpoint" in refusal(sagemaker.describe_endpoint, EndpointName="e")

    def test_maintenance(self, sagemaker: BaseClient, control: Control) -> None:
        create_endpoint(sagemaker)
        control.advance(240)
        control.script("*", "system_update", seconds=10)
        assert describe(sagemaker)["EndpointStatus"] == "SystemUpdating"
        control.advance(10)
        assert describe(sagemaker)["EndpointStatus"] == "InService"

    def test_scaling(self, sagemaker: BaseClient, control: Control) -> None:
        create_endpoint(sagemaker)
        control.advance(240)
        wanted = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 3}]
        request = {"EndpointName": "e", "DesiredWeightsAndCapacities": wanted}
        sagemaker.update_endpoint_weights_and_capacities(**request)
        scaling = describe(sagemaker)
        assert scaling["EndpointStatus"] == "Updating"
        variant = scaling["ProductionVariants"][0]
        assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 3)
        control.advance(240)
        assert describe(sagemaker)["ProductionVariants"][0]["CurrentInstanceCount"] == 3
        wanted[0]["DesiredInstanceCount"] = 5
        control.script("e", "no_capacity")
        sagemaker.update_endpoint_weights_and_capacities(**request)
        control.advance(1320)
        assert describe(sagemaker)["EndpointStatus"] == "RollingBack"
        control.advance(120)
        back = describe(sagemaker)
        assert back["EndpointStatus"] == "InService"
        assert back["ProductionVariants"][0]["DesiredInstanceCount"] == 3

    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({}, 1),
            ({"RetainAllVariantProperties": True}, 2),
            (
                {
                    "RetainAllVariantProperties": True,
                    "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredInstanceCount"}],
                },
                1,
            ),
        ],
    )
    def test_retained_variant_properties(
        self, sagemaker: BaseClient, control: Control, settings: dict[str, Any], expected: int
    ) -> None:
        create_endpoint(sagemaker)
        control.advance(240)
        wanted = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}]
        sagemaker.update_endpoint_weights_and_capacities(EndpointName="e", DesiredWeightsAndCapacities=wanted)
        control.advance(240)
        sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="c2", **settings)
        control.advance(240)
        assert describe(sagemaker)["ProductionVariants"][0]["CurrentInstanceCount"] == expected

    @pytest.mark.parametrize(
        ("operation", "request_body", "moves"),
        [
            ("update_endpoint", {"EndpointConfigName": "c2"}, True),
            (
                "update_endpoint_weights_and_capacities",
                {"DesiredWeightsAndCapacities": [{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}]},
                True,
            ),
            ("delete_endpoint", {}, True),
            ("describe_endpoint", {}, False),
            ("add_tags", {"Tags": [{"Key": "k", "Value": "v"}]}, False),
            ("update_endpoint", {"EndpointConfigName": "nope"}, False),
        ],
    )
    def test_last_modified_time_moves_with_the_status(
        self, sagemaker: BaseClient, control: Control, operation: str, request_body: dict[str, Any], moves: bool
    ) -> None:
        create_endpoint(sagemaker)
        control.advance(240)
        before = describe(sagemaker)["LastModifiedTime"]
        control.advance(100)
        named = {"ResourceArn": f"{PREFIX}:endpoint/e"} if operation == "add_tags" else {"EndpointName": "e"}
        with contextlib.suppress(ClientError):
            getattr(sagemaker, operation)(**named, **request_body)
        moved = (describe(sagemaker)["LastModifiedTime"] - before).total_seconds()
        assert moved == (pytest.approx(100, abs=0.01) if moves else 0)

    @pytest.mark.parametrize(
        ("status", "refusal_text"),
        [
            ("OutOfService", None),
            ("Quarantined", None),
            ("SystemUpdating", "Cannot update in-progress endpoint"),
            ("Failed", "in status Failed"),
        ],
    )
    def test_a_status_can_be_forced(
        self, sagemaker: BaseClient, control: Control, status: str, refusal_text: str | None
    ) -> None:
        create_endpoint(sagemaker)
        control.advance(240)
        before = describe(sagemaker)
        control.advance(10)
        control.force_status("e", status)
        forced = describe(sagemaker)
        assert forced["EndpointStatus"] == status
        assert forced["LastModifiedTime"] > before["LastModifiedTime"]
        (listed,) = sagemaker.list_endpoints()["Endpoints"]
        assert listed["EndpointStatus"] == status
        request = {"EndpointName": "e", "EndpointConfigName": "c2"}
        if refusal_text is not None:
            assert refusal_text in refusal(sagemaker.update_endpoint, **request)
            control.force_status("e", None)
            assert describe(sagemaker)["EndpointStatus"] == "InService"
        sagemaker.update_endpoint(**request)
        assert describe(sagemaker)["EndpointStatus"] == "Updating"

    def test_deleting_what_is_in_use_succeeds_and_is_recorded(self, sagemaker: BaseClient, control: Control) -> None:
        create_endpoint(sagemaker)
        control.advance(240)
        sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="c2")
        for config in ("c1", "c2"):
            sagemaker.delete_endpoint_config(EndpointConfigName=config)
        sagemaker.delete_model(ModelName="m")
        assert [(violation["kind"], violation["resource"]) for violation in control.violations()] == [
            ("deleted-in-use", f"{PREFIX}:endpoint-config/c1"),
            ("deleted-in-use", f"{PREFIX}:endpoint-config/c2"),
            ("deleted-in-use", f"{PREFIX}:model/m"),
        ]

    def test_deleting_what_is_not_in_use_is_fine(self, sagemaker: BaseClient, control: Control) -> None:
        create_endpoint(sagemaker)
        control.advance(240)
        sagemaker.delete_endpoint_config(EndpointConfigName="c2")
        sagemaker.delete_endpoint(EndpointName="e")
        control.advance(60)
        sagemaker.delete_endpoint_config(EndpointConfigName="c1")
        sagemaker.delete_model(ModelName="m")
        assert control.violations() == []


class TestContainers:
    def test_an_environment_the_launcher_refuses_fails_the_endpoint(
        self, sagemaker: BaseClient, control: Control
    ) -> None:
        create_model(sagemaker, "bad", Environment={**FALCON, "TRUST_REMOTE_CODE": "True"})
        create_config(sagemaker, "bad", "bad")
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="bad")
        control.advance(1470)
        failed = describe(sagemaker)
        assert (failed["EndpointStatus"], failed["FailureReason"]) == ("Failed", PING_FAILURE)
        (line,) = control.logs(failed["EndpointArn"])
        assert "invalid value 'True' for '--trust-remote-code" in line

    def test_more_shards_than_the_instance_has_gpus(self, sagemaker: BaseClient, control: Control) -> None:
        create_model(sagemaker, Environment={**FALCON, "HF_MODEL_ID": "meta-llama/Llama-2-7b", "SM_NUM_GPUS": "4"})
        create_config(sagemaker, "one-gpu", InstanceType="ml.g5.2xlarge")
        create_config(sagemaker, "four-gpus", InstanceType="ml.g5.12xlarge")
        for config in ("one-gpu", "four-gpus"):
            sagemaker.create_endpoint(EndpointName=config, EndpointConfigName=config)
        control.advance(1470)
        assert describe(sagemaker, "one-gpu")["EndpointStatus"] == "Failed"

    @pytest.mark.parametrize("image", ["other:1", "huggingface-pytorch-tgi-inference:2.7.0-optimum3.3.6-inf2"])
    def test_other_images_are_not_judged(self, sagemaker: BaseClient, control: Control, image: str) -> None:
        create_model(sagemaker, Image=f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/{image}", Environment={})
        create_config(sagemaker, "c")
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
        control.advance(240)
        assert describe(sagemaker)["EndpointStatus"] == "InService"


class TestQuota:
    def test_blue_green_counts_both_fleets(self, sagemaker: BaseClient, control: Control) -> None:
        control.quota("ml.g5.12xlarge", 1)
        create_endpoint(sagemaker)
        control.advance(240)
        text = refusal(sagemaker.update_endpoint, EndpointName="e", EndpointConfigName="c2")
        assert text == (
            "ResourceLimitExceeded: The account-level service limit 'ml.g5.12xlarge for endpoint usage' is 1 "
            "Instances, with current utilization of 1 Instances and a request delta of 1 Instances. Please use AWS "
            "Service Quotas to request an increase for this quota. If AWS Service Quotas is not available, contact "
            "AWS support to request an increase for this quota."
        )
        control.quota("ml.g5.12xlarge", 2)
        sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="c2")
        control.advance(240)
        (region,) = control.state()["regions"]
        assert region["instances"] == {"ml.g5.12xlarge": 1}

    def test_scripted(self, sagemaker: BaseClient, control: Control) -> None:
        control.script("e", "quota", times=2)
        assert "is 0 Instances, with" in refusal(create_endpoint, sagemaker=sagemaker)
        request = {"EndpointName": "e", "EndpointConfigName": "c1"}
        assert refusal(sagemaker.create_endpoint, **request).startswith("ResourceLimitExceeded")
        sagemaker.create_endpoint(**request)


class TestTags:
    def test_tags_of_creation_and_later(self, sagemaker: BaseClient) -> None:
        create_model(sagemaker)
        create_config(sagemaker, "c")
        sagemaker.create_endpoint(EndpointName="E", EndpointConfigName="c", Tags=[{"Key": "a", "Value": "1"}])
        arn = f"{PREFIX}:endpoint/e"
        sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "b", "Value": "ä 2"}])
        assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [
            {"Key": "a", "Value": "1"},
            {"Key": "b", "Value": "ä 2"},
        ]
        sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a", "none"])
        assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "ä 2"}]

    def test_refused_tags(self, sagemaker: BaseClient) -> None:
        create_model(sagemaker)
        arn = f"{PREFIX}:model/m"
        assert "reserved prefix" in refusal(sagemaker.add_tags, ResourceArn=arn, Tags=[{"Key": "aws:x", "Value": "1"}])
        many = [{"Key": f"k{number}", "Value": ""} for number in range(51)]
        assert "less than or equal to 50" in refusal(sagemaker.add_tags, ResourceArn=arn, Tags=many)
        assert "Could not find model" in refusal(sagemaker.list_tags, ResourceArn=f"{PREFIX}:model/nope")

    @pytest.mark.parametrize(
        ("held", "added", "fits"),
        [
            ([], range(50), True),
            (range(49), [49], True),
            (range(50), range(50), True),
            (range(50), [50], False),
            (range(24), range(24, 51), False),
        ],
    )
    def test_a_resource_takes_fifty_tags_in_all(
        self, sagemaker: BaseClient, held: Iterable[int], added: Iterable[int], fits: bool
    ) -> None:
        create_model(sagemaker)
        arn = f"{PREFIX}:model/m"
        if held:
            sagemaker.add_tags(ResourceArn=arn, Tags=numbered(held, "old"))
        before = sagemaker.list_tags(ResourceArn=arn)["Tags"]
        if fits:
            assert len(sagemaker.add_tags(ResourceArn=arn, Tags=numbered(added, "new"))["Tags"]) == 50
        else:
            text = refusal(sagemaker.add_tags, ResourceArn=arn, Tags=numbered(added, "new"))
            assert text == f'ValidationException: Resource "{arn}" cannot have more than 50 tags.'
            assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == before

    def test_fifty_tags_can_be_renamed_when_the_old_ones_go_first(self, sagemaker: BaseClient) -> None:
        create_model(sagemaker)
        arn = f"{PREFIX}:model/m"
        old, new = numbered(range(50), "x"), numbered(range(50, 100), "x")
        sagemaker.add_tags(ResourceArn=arn, Tags=old)
        assert "more than 50 tags" in refusal(sagemaker.add_tags, ResourceArn=arn, Tags=new)
        sagemaker.delete_tags(ResourceArn=arn, TagKeys=[tag["Key"] for tag in old])
        assert sagemaker.add_tags(ResourceArn=arn, Tags=new)["Tags"] == new

    @pytest.mark.parametrize(
        ("tag", "text"),
        [
            ({"Key": "", "Value": ""}, "'tags.1.member.key'"),
            ({"Key": "k" * 129, "Value": ""}, "less than or equal to 128"),
            ({"Key": "k", "Value": "v" * 257}, "less than or equal to 256"),
            ({"Key": "a;b", "Value": ""}, "regular expression pattern"),
            ({"Key": "k", "Value": "a;b"}, "'tags.1.member.value'"),
            ({"Key": "AWS:x", "Value": ""}, "reserved prefix"),
        ],
    )
    def test_keys_and_values_of_tags(self, sagemaker: BaseClient, tag: dict[str, str], text: str) -> None:
        create_model(sagemaker)
        assert text in refusal(sagemaker.add_tags, ResourceArn=f"{PREFIX}:model/m", Tags=[tag])
        assert text in refusal(sagemaker.create_model, ModelName="n", PrimaryContainer={"Image": TGI}, Tags=[tag])


class TestLists:
    @pytest.fixture
    def names(self, sagemaker: BaseClient, control: Control) -> list[str]:
        create_model(sagemaker)
        create_config(sagemaker, "c")
        names = [f"e-{number:02}" for number in range(25)]
        for name in names:
            sagemaker.create_endpoint(EndpointName=name, EndpointConfigName="c")
            control.advance(1)
        return names

    def test_newest_first_ten_a_page(self, sagemaker: BaseClient, names: list[str]) -> None:
        page = sagemaker.list_endpoints()
        assert [endpoint["EndpointName"] for endpoint in page["Endpoints"]] == names[:-11:-1]
        assert page["NextToken"]

    def test_pages_together_are_everything(self, sagemaker: BaseClient, names: list[str]) -> None:
        for sort in ("Name", "CreationTime", "Status"):
            for order, expected in (("Ascending", names), ("Descending", names[::-1])):
                pages = sagemaker.get_paginator("list_endpoints").paginate(SortBy=sort, SortOrder=order, MaxResults=7)
                found = [endpoint["EndpointName"] for page in pages for endpoint in page["Endpoints"]]
                assert found == expected

    def test_filters_apply_after_the_page_was_read(self, sagemaker: BaseClient, names: list[str]) -> None:
        page = sagemaker.list_endpoints(NameContains=names[0], MaxResults=10)
        assert page["Endpoints"] == []
        pages = sagemaker.get_paginator("list_endpoints").paginate(NameContains=names[0], MaxResults=10)
        assert [len(page["Endpoints"]) for page in pages] == [0, 0, 1]

    def test_a_page_goes_on_where_the_last_ended_although_endpoints_went(
        self, sagemaker: BaseClient, control: Control, names: list[str]
    ) -> None:
        control.advance(300)
        first = sagemaker.list_endpoints(SortBy="Name", SortOrder="Ascending")
        for name in names[5:15]:
            sagemaker.delete_endpoint(EndpointName=name)
        control.advance(60)
        second = sagemaker.list_endpoints(SortBy="Name", SortOrder="Ascending", NextToken=first["NextToken"])
        assert [endpoint["EndpointName"] for endpoint in second["Endpoints"]] == names[15:]

    @pytest.mark.parametrize(
        ("operation", "request_body", "text"),
        [
            ("list_endpoints", {"MaxResults": 101}, "less than or equal to 100"),
            ("list_endpoints", {"MaxResults": 0}, "greater than or equal to 1"),
            ("list_endpoints", {"NameContains": "a_b"}, "'nameContains'"),
            ("list_endpoints", {"SortBy": "Size"}, "'sortBy'"),
            ("list_endpoints", {"StatusEquals": "Ready"}, "'statusEquals'"),
            ("list_models", {"NextToken": "made-up"}, "Invalid pagination token"),
            ("list_models", {"NextToken": "WzFd"}, "Invalid pagination token"),
            ("list_tags", {"ResourceArn": f"{PREFIX}:model/m", "MaxResults": 49}, "greater than or equal to 50"),
            ("list_tags", {"ResourceArn": f"{PREFIX}:model/m", "NextToken": "x"}, "Invalid pagination token"),
        ],
    )
    def test_refused_pages(
        self, sagemaker: BaseClient, operation: str, request_body: dict[str, Any], text: str
    ) -> None:
        create_model(sagemaker)
        assert text in refusal(getattr(sagemaker, operation), **request_body)

    @pytest.mark.parametrize(
        ("operation", "request_body", "waited", "is_good"),
        [
            ("list_endpoints", {}, 0, True),
            ("list_endpoints", {"MaxResults": 3}, 0, True),
            ("list_endpoints", {}, 24 * 3600 - 10, True),
            ("list_endpoints", {}, 24 * 3600, False),
            ("list_endpoints", {"SortBy": "Name"}, 0, False),
            ("list_endpoints", {"NameContains": "e"}, 0, False),
            ("list_endpoint_configs", {}, 0, False),
        ],
    )
    def test_a_token_is_good_for_one_listing_and_one_day(
        self,
        sagemaker: BaseClient,
        control: Control,
        names: list[str],
        operation: str,
        request_body: dict[str, Any],
        waited: float,
        is_good: bool,
    ) -> None:
        token = sagemaker.list_endpoints()["NextToken"]
        control.advance(waited)
        call = getattr(sagemaker, operation)
        if is_good:
            assert call(NextToken=token, **request_body)["Endpoints"][0]["EndpointName"] == names[14]
        else:
            assert "Invalid pagination token" in refusal(call, NextToken=token, **request_body)

    def test_models_and_configurations(self, sagemaker: BaseClient) -> None:
        create_endpoint(sagemaker)
        assert [model["ModelName"] for model in sagemaker.list_models()["Models"]] == ["m"]
        configs = sagemaker.list_endpoint_configs(SortOrder="Ascending")["EndpointConfigs"]
        assert {config["EndpointConfigName"] for config in configs} == {"c1", "c2"}


def test_descriptions_echo_what_was_created(sagemaker: BaseClient) -> None:
    create_model(sagemaker)
    create_config(sagemaker, "c", RoutingConfig={"RoutingStrategy": "RANDOM"})
    model = sagemaker.describe_model(ModelName="m")
    assert model["PrimaryContainer"] == {"Image": TGI, "Environment": FALCON, "Mode": "SingleModel"}
    assert (model["ExecutionRoleArn"], model["EnableNetworkIsolation"]) == (ROLE, False)
    (variant,) = sagemaker.describe_endpoint_config(EndpointConfigName="c")["ProductionVariants"]
    assert variant["RoutingConfig"] == {"RoutingStrategy": "RANDOM"}
    assert variant["InitialVariantWeight"] == 1.0


def test_regions_are_apart(sagemaker: BaseClient, double: AwsDouble) -> None:
    create_model(sagemaker)
    china = boto3.client(
        "sagemaker",
        endpoint_url=double.address,
        region_name="cn-north-1",
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",
    )
    assert china.list_models()["Models"] == []
    role = ROLE.replace("arn:aws:", "arn:aws-cn:")
    created = china.create_model(
        ModelName="m",
        PrimaryContainer={"Image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/x:1"},
        ExecutionRoleArn=role,
    )
    assert created["ModelArn"] == f"arn:aws-cn:sagemaker:cn-north-1:{ACCOUNT}:model/m"
