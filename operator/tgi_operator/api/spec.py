"""`TGIEndpoint.spec` as types. The CRD and the field reference are generated from here.

AWS fields are spelled as AWS Controllers for Kubernetes spells them; bounds are those of the SageMaker API model.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tgi_operator.api.schema import SET_LIST, APIObject, Int32, Positive, cel, list_map

HF_SCHEME = "hf://"

_HF_URI = r"hf://[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*"
_S3_URI = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([^?#]*/)?"


class SecretKeyRef(APIObject):
    """One key of a Secret in the namespace of the resource."""

    name: str = Field(
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        description="Name of the Secret.",
    )
    key: str = Field(
        min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$", description="Key whose value is the token."
    )


class Model(APIObject):
    """Where the weights come from."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            (
                "!has(self.revision) || self.uri.startsWith('hf://')",
                "revision is a Hugging Face Hub revision: it needs an hf:// uri",
            ),
            (
                "!has(self.tokenSecretRef) || self.uri.startsWith('hf://')",
                "tokenSecretRef is a Hugging Face Hub token: it needs an hf:// uri",
            ),
        )
    }

    uri: str = Field(
        max_length=1024,
        pattern=rf"^({_HF_URI}|{_S3_URI})$",
        description="`hf://owner/name` on the Hugging Face Hub, or `s3://bucket/prefix/` of safetensors files.",
    )
    revision: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$",
        description="Hub commit, branch or tag. Pin a commit for a deployment that never changes by itself.",
    )
    token_secret_ref: SecretKeyRef | None = Field(
        default=None,
        description="Hub token for gated or private models. A changed Secret rolls the endpoint. "
        "SageMaker shows container environments, the token among them, to whoever may call DescribeModel.",
    )

    @property
    def on_hub(self) -> bool:
        """Whether the weights are downloaded from the Hugging Face Hub."""
        return self.uri.startswith(HF_SCHEME)

    @property
    def hub_id(self) -> str:
        """`owner/name` of an hf:// uri."""
        return self.uri.removeprefix(HF_SCHEME)


class DType(StrEnum):
    """`--dtype` of the launcher."""

    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


class Quantize(StrEnum):
    """`--quantize` of the launcher."""

    AWQ = "awq"
    COMPRESSED_TENSORS = "compressed-tensors"
    EETQ = "eetq"
    EXL2 = "exl2"
    GPTQ = "gptq"
    MARLIN = "marlin"
    BITSANDBYTES = "bitsandbytes"
    BITSANDBYTES_NF4 = "bitsandbytes-nf4"
    BITSANDBYTES_FP4 = "bitsandbytes-fp4"
    FP8 = "fp8"


class EnvVar(APIObject):
    """A launcher option by its environment name."""

    name: str = Field(min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="Name.")
    value: str = Field(min_length=1, max_length=1024, description="Value, exactly as the launcher takes it.")


class Runtime(APIObject):
    """Text Generation Inference and its launcher options."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            ("!(has(self.version) && has(self.image))", "version and image exclude each other: image names a version"),
            (
                "!has(self.maxInputTokens) || !has(self.maxTotalTokens) || self.maxInputTokens < self.maxTotalTokens",
                "maxInputTokens must be less than maxTotalTokens: the answer needs room",
            ),
            (
                "!has(self.dtype) || !has(self.quantize) || self.quantize.startsWith('bitsandbytes')",
                "dtype and quantize exclude each other, but for bitsandbytes: both decide how the model is loaded",
            ),
        )
    }

    version: str | None = Field(
        default=None,
        max_length=32,
        pattern=r"^[0-9]+\.[0-9]+(\.[0-9]+)?$",
        description="Version of TGI, such as 3.3.6. Absent: the newest known for the backend when the resource is "
        "created; an upgrade of the operator does not change it.",
    )
    image: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        pattern=r"^[^\s]+$",
        description="A whole container image instead of a version. SageMaker pulls from Amazon ECR only.",
    )
    dtype: DType | None = Field(default=None, description="`DTYPE`: type the weights are loaded as.")
    quantize: Quantize | None = Field(default=None, description="`QUANTIZE`: quantization of the weights.")
    num_shard: Annotated[Int32, Field(ge=1, le=64)] | None = Field(
        default=None,
        description="`NUM_SHARD`: GPUs the model is split over. Absent: all GPUs of the instance, or fewer where "
        "the model is known to have attention heads that so many cannot share evenly.",
    )
    max_input_tokens: Positive | None = Field(default=None, description="`MAX_INPUT_TOKENS`: longest prompt.")
    max_total_tokens: Positive | None = Field(
        default=None, description="`MAX_TOTAL_TOKENS`: longest prompt and answer together."
    )
    max_batch_prefill_tokens: Positive | None = Field(
        default=None, description="`MAX_BATCH_PREFILL_TOKENS`: prompt tokens of one prefill batch."
    )
    max_concurrent_requests: Positive | None = Field(
        default=None, description="`MAX_CONCURRENT_REQUESTS`: requests beyond are answered with 429."
    )
    trust_remote_code: bool | None = Field(
        default=None, description="`TRUST_REMOTE_CODE`: run code that comes with the model. Pin `model.revision` too."
    )
    env: tuple[EnvVar, ...] = Field(
        default=(),
        max_length=60,
        json_schema_extra=list_map("name"),
        description="Any further launcher option by its environment name.",
    )


class VPCConfig(APIObject):
    """`VpcConfig` of CreateModel."""

    security_group_ids: tuple[Annotated[str, Field(max_length=32, pattern=r"^[-0-9a-zA-Z]+$")], ...] = Field(
        alias="securityGroupIDs",
        min_length=1,
        max_length=5,
        json_schema_extra=SET_LIST,
        description="Security groups of the endpoint's network interfaces.",
    )
    subnets: tuple[Annotated[str, Field(max_length=32, pattern=r"^[-0-9a-zA-Z]+$")], ...] = Field(
        min_length=1, max_length=16, json_schema_extra=SET_LIST, description="Subnets of the network interfaces."
    )


class RoutingStrategy(StrEnum):
    """`RoutingStrategy` of a production variant, those that fit TGI."""

    LEAST_OUTSTANDING_REQUESTS = "LEAST_OUTSTANDING_REQUESTS"
    RANDOM = "RANDOM"
    PREFIX_AWARE = "PREFIX_AWARE"


class RoutingConfig(APIObject):
    """`RoutingConfig` of a production variant."""

    routing_strategy: RoutingStrategy = Field(description="How requests are spread over the instances.")


class Tag(APIObject):
    """An AWS tag."""

    key: str = Field(min_length=1, max_length=128, pattern=r"^[\w _.:/=+\-@]+$", description="Key.")
    value: str = Field(max_length=256, pattern=r"^[\w _.:/=+\-@]*$", description="Value.")


class SageMaker(APIObject):
    """An Amazon SageMaker real-time endpoint."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            (
                "has(self.endpointName) == has(oldSelf.endpointName)",
                "endpointName is immutable: create a new TGIEndpoint to change it",
            ),
        )
    }

    region: str = Field(
        max_length=32,
        pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]+$",
        json_schema_extra=cel(("self == oldSelf", "region is immutable: create a new TGIEndpoint to move")),
        description="AWS region. Immutable.",
    )
    execution_role_arn: str = Field(
        alias="executionRoleARN",
        min_length=20,
        max_length=2048,
        pattern=r"^arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+$",
        description="Role SageMaker assumes to pull the image, read the weights and write logs.",
    )
    instance_type: str = Field(
        max_length=64, pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9-]+$", description="Instance type, such as ml.g5.12xlarge."
    )
    endpoint_name: str | None = Field(
        default=None,
        max_length=63,
        pattern=r"^[a-z0-9](-?[a-z0-9])*$",
        json_schema_extra=cel(("self == oldSelf", "endpointName is immutable: create a new TGIEndpoint to change it")),
        description="Name of the endpoint. Absent: NAMESPACE-NAME, cut to 63 characters. Immutable.",
    )
    volume_size_in_gb: Annotated[Int32, Field(ge=1, le=512)] | None = Field(
        default=None,
        alias="volumeSizeInGB",
        description="Size of the EBS volume. AWS refuses it for instance types with NVMe disks of their own, as all "
        "present GPU families have.",
    )
    container_startup_health_check_timeout_in_seconds: Annotated[Int32, Field(ge=60, le=3600)] | None = Field(
        default=None,
        description="Time the container has to download, load and answer. Absent: by the size in the model's name, "
        "else 900.",
    )
    model_data_download_timeout_in_seconds: Annotated[Int32, Field(ge=60, le=3600)] | None = Field(
        default=None, description="Time for the download from S3. Absent: as the start-up timeout."
    )
    vpc_config: VPCConfig | None = Field(default=None, description="Private network of the endpoint.")
    kms_key_id: str | None = Field(
        default=None,
        alias="kmsKeyID",
        min_length=1,
        max_length=2048,
        pattern=r"^[a-zA-Z0-9:/_-]+$",
        description="KMS key that encrypts the EBS volume; NVMe disks have keys of their own.",
    )
    enable_network_isolation: bool | None = Field(
        default=None, description="No network for the container: the weights must come from S3."
    )
    routing_config: RoutingConfig | None = Field(default=None, description="How requests are routed.")
    inference_ami_version: str | None = Field(
        default=None,
        alias="inferenceAMIVersion",
        min_length=1,
        max_length=63,
        pattern=r"^[a-zA-Z0-9-]+$",
        description="Host image, hence GPU driver. Absent: the one that fits the CUDA of the container image.",
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
        description="Tags for the endpoint, its configuration and its model.",
    )


class DeletionPolicy(StrEnum):
    """What happens to the backend's objects when the resource is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


BACKENDS = ("sageMaker",)
"""Fields of the spec that name a backend; exactly one is set."""

_ONE_BACKEND = "[" + ", ".join(f"has(self.{name})" for name in BACKENDS) + "].exists_one(b, b)"

_ISOLATED_ONLY_FROM_S3 = (
    "!has(self.sageMaker) || !has(self.sageMaker.enableNetworkIsolation) || !self.sageMaker.enableNetworkIsolation"
    " || self.model.uri.startsWith('s3://')"
)


class Spec(APIObject):
    """What is wanted: a model, served by TGI, on a backend."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            (_ONE_BACKEND, f"exactly one backend must be set: {', '.join(BACKENDS)}"),
            (
                _ISOLATED_ONLY_FROM_S3,
                "enableNetworkIsolation keeps the container from the Hugging Face Hub: model.uri must be s3://",
            ),
        )
    }

    model: Model = Field(description="The model.")
    runtime: Runtime = Field(default=Runtime(), description="TGI and its options.")
    replicas: Positive | None = Field(
        default=None,
        description="Instances that serve. Absent: keep what runs, 1 for a new endpoint.",
    )
    deletion_policy: DeletionPolicy = Field(
        default=DeletionPolicy.DELETE,
        description="Delete removes what the operator created when the resource is deleted; Retain leaves it running.",
    )
    sage_maker: SageMaker | None = Field(default=None, description="Serve on Amazon SageMaker.")
