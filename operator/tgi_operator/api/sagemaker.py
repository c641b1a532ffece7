"""`spec.sageMaker`: an Amazon SageMaker real-time endpoint.

AWS fields are spelled as in AWS Controllers for Kubernetes. Bounds are those of the SageMaker API model.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tgi_operator.api.formats import Form, Format
from tgi_operator.api.objects import SET_LIST, APIObject, Int32, also_cel, cel, list_map

Region = Annotated[
    str,
    Field(max_length=32),
    Format(
        Form(
            "^[a-z]{2,4}(-[a-z]+)+-[0-9]+$",
            "must be an AWS region, such as us-east-1 (not an Availability Zone, such as us-east-1a)",
        )
    ),
]
RoleARN = Annotated[
    str,
    Field(max_length=2048),
    Format(
        Form(
            "^arn:aws[a-z-]*:iam::[0-9]{12}:role/?[a-zA-Z_0-9+=,.@_/-]+$",
            "must be the ARN of an IAM role, such as arn:aws:iam::111122223333:role/NAME",
        )
    ),
]
InstanceType = Annotated[
    str,
    Field(max_length=64),
    Format(
        Form("^ml[.]", "must be a SageMaker instance type, which begins with ml., such as ml.g5.12xlarge"),
        Form("^ml[.][a-z0-9-]+[.][a-z0-9-]+$", "must be ml.FAMILY.SIZE, such as ml.g5.12xlarge", prefix="ml."),
    ),
]


def _id_of(what: str, example: str) -> Format:
    return Format(Form("^[-0-9a-zA-Z]+$", f"must be the ID of a {what}, such as {example}"))


class VPCConfig(APIObject):
    """`VpcConfig` of CreateModel."""

    security_group_ids: tuple[
        Annotated[str, Field(max_length=32), _id_of("security group", "sg-0123456789abcdef0")], ...
    ] = Field(
        alias="securityGroupIDs",
        min_length=1,
        max_length=5,
        json_schema_extra=SET_LIST,
        description="Security groups of the network interfaces, such as sg-0123456789abcdef0.",
    )
    subnets: tuple[Annotated[str, Field(max_length=32), _id_of("subnet", "subnet-0123456789abcdef0")], ...] = Field(
        min_length=1,
        max_length=16,
        json_schema_extra=SET_LIST,
        description="Subnets of the network interfaces, such as subnet-0123456789abcdef0.",
    )


class RoutingStrategy(StrEnum):
    """The values of `RoutingStrategy` of a production variant that are suitable for TGI."""

    LEAST_OUTSTANDING_REQUESTS = "LEAST_OUTSTANDING_REQUESTS"
    RANDOM = "RANDOM"
    PREFIX_AWARE = "PREFIX_AWARE"


class RoutingConfig(APIObject):
    """`RoutingConfig` of a production variant."""

    routing_strategy: RoutingStrategy = Field(
        description="Strategy for distributing requests, such as LEAST_OUTSTANDING_REQUESTS."
    )


class Tag(APIObject):
    """An AWS tag."""

    key: str = Field(
        min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_ .:/=+\-@]+$", description="Key of the tag, such as team."
    )
    value: str = Field(
        max_length=256, pattern=r"^[A-Za-z0-9_ .:/=+\-@]*$", description="Value of the tag, such as search."
    )


class SageMaker(APIObject):
    """An Amazon SageMaker real-time endpoint."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            (
                "has(self.endpointName) == has(oldSelf.endpointName)",
                "endpointName is immutable; to use a different name, create a new TGIEndpoint",
            ),
        )
    }

    region: Region = Field(
        json_schema_extra=also_cel(
            ("self == oldSelf", "region is immutable; to use a different region, create a new TGIEndpoint")
        ),
        description="AWS region, such as us-east-1. Immutable.",
    )
    execution_role_arn: RoleARN = Field(
        alias="executionRoleARN",
        description="ARN of the IAM role that SageMaker assumes to pull the image, read the weights and write logs, "
        "such as arn:aws:iam::111122223333:role/NAME.",
    )
    instance_type: InstanceType = Field(description="SageMaker instance type, such as ml.g5.12xlarge.")
    endpoint_name: (
        Annotated[
            str,
            Field(max_length=63),
            Format(
                Form(
                    "^[a-z0-9](-?[a-z0-9])*$",
                    "must consist of groups of lowercase letters and digits, separated by single '-' characters, such "
                    "as zephyr-7b",
                )
            ),
        ]
        | None
    ) = Field(
        default=None,
        json_schema_extra=also_cel(
            ("self == oldSelf", "endpointName is immutable; to use a different name, create a new TGIEndpoint")
        ),
        description="Name of the endpoint. An administrator of the operator must allow the namespace to use this name. "
        "Default: NAMESPACE-NAME-HASH, shortened to 63 characters. Immutable.",
    )
    volume_size_in_gb: Annotated[Int32, Field(ge=1, le=512)] | None = Field(
        default=None,
        alias="volumeSizeInGB",
        description="Size of the EBS volume in GB. AWS rejects this setting for instance types with NVMe disks, which "
        "include all current GPU families.",
    )
    container_startup_health_check_timeout_in_seconds: Annotated[Int32, Field(ge=60, le=3600)] | None = Field(
        default=None,
        description="Time in seconds for the container to download the model, load it and pass the health check, such "
        "as 1800. Default: an estimate based on the parameter count in the model's name, or 900 if the name contains "
        "none.",
    )
    model_data_download_timeout_in_seconds: Annotated[Int32, Field(ge=60, le=3600)] | None = Field(
        default=None,
        description="Maximum time in seconds for the download from S3. Default: the value of "
        "containerStartupHealthCheckTimeoutInSeconds.",
    )
    vpc_config: VPCConfig | None = Field(default=None, description="VPC that the endpoint is connected to.")
    kms_key_id: (
        Annotated[
            str,
            Field(min_length=1, max_length=2048),
            Format(Form("^[a-zA-Z0-9:/_-]+$", "must be the ID, ARN or alias of a KMS key, such as alias/models")),
        ]
        | None
    ) = Field(
        default=None,
        alias="kmsKeyID",
        description="KMS key that encrypts the EBS volume, such as alias/models. NVMe disks use their own keys.",
    )
    enable_network_isolation: bool | None = Field(
        default=None,
        description="Whether to isolate the container from the network. If true, the weights must come from S3.",
    )
    routing_config: RoutingConfig | None = Field(
        default=None, description="How requests are distributed across the instances."
    )
    inference_ami_version: (
        Annotated[
            str,
            Field(min_length=1, max_length=63),
            Format(
                Form("^[a-zA-Z0-9-]+$", "must be an inference AMI version, such as al2-ami-sagemaker-inference-gpu-2")
            ),
        ]
        | None
    ) = Field(
        default=None,
        alias="inferenceAMIVersion",
        description="Inference AMI of the instances, which includes the GPU driver. Default: the AMI that matches the "
        "CUDA version of the image.",
    )
    tags: tuple[Tag, ...] = Field(
        default=(),
        max_length=40,
        json_schema_extra=list_map("key")
        | cel(
            (
                "self.all(t, !t.key.lowerAscii().startsWith('aws:') && !t.key.startsWith('tgi-operator.dev/'))",
                "tag keys must not begin with aws: or tgi-operator.dev/",
            )
        ),
        description="AWS tags for the endpoint, its endpoint configuration and its model.",
    )
