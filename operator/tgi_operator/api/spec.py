"""`TGIEndpoint.spec` as types, from which the CRD and the field reference are generated."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tgi_operator.api.autoscaling import IN_CLUSTER_METRICS, SAGEMAKER_METRICS, Autoscaling
from tgi_operator.api.formats import Form, Format, SecretName
from tgi_operator.api.incluster import InCluster, Rollout
from tgi_operator.api.objects import INT32_MAX, APIObject, Int32, Positive, cel, list_map
from tgi_operator.api.sagemaker import SageMaker

HF_SCHEME = "hf://"
S3_SCHEME = "s3://"
PVC_SCHEME = "pvc://"

MOST_SECRET_VARIABLES = 16
"""The operator reads each Secret whenever it observes the resource, and searches each reported text for its values."""

URI = Annotated[
    str,
    Field(max_length=1024),
    Format(
        Form("^(hf|s3|pvc)://", "must begin with hf://, s3:// or pvc://, such as hf://HuggingFaceH4/zephyr-7b-beta"),
        Form(
            "^hf://[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$",
            "must be hf://OWNER/NAME, such as hf://HuggingFaceH4/zephyr-7b-beta, without a revision (set "
            "model.revision instead)",
            prefix=HF_SCHEME,
        ),
        Form(
            "^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([^?#]*/)?$",
            "must be the URI of a folder of safetensors files and end with a slash (s3://BUCKET/FOLDER/), such as "
            "s3://my-models/zephyr-7b/",
            prefix=S3_SCHEME,
        ),
        Form(
            "^pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?$",
            "must be pvc://CLAIM/FOLDER, where CLAIM is a PVC and FOLDER is a folder on it, such as "
            "pvc://weights/zephyr-7b",
            prefix=PVC_SCHEME,
        ),
    ),
]


class SecretKeyRef(APIObject):
    """A key of a Secret in the namespace of the resource."""

    name: SecretName = Field(description="Name of the Secret, such as hub-token.")
    key: Annotated[
        str,
        Field(min_length=1, max_length=253),
        Format(
            Form("^[-._a-zA-Z0-9]+$", "must be a key in a Secret (letters, digits, '-', '_' and '.'), such as token")
        ),
    ] = Field(
        description="Key in the Secret, such as token. Its value must be one line of at most 1,024 bytes without "
        "whitespace at the start or end."
    )


class Model(APIObject):
    """The model to serve."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            (
                "!has(self.revision) || self.uri.startsWith('hf://')",
                "revision requires an hf:// URI",
            ),
            (
                "!has(self.tokenSecretRef) || self.uri.startsWith('hf://')",
                "tokenSecretRef requires an hf:// URI",
            ),
        )
    }

    uri: URI = Field(
        description="Location of the weights: a model on the Hugging Face Hub (`hf://OWNER/NAME`, such as "
        "hf://HuggingFaceH4/zephyr-7b-beta), a folder of safetensors files in Amazon S3 (`s3://BUCKET/FOLDER/`) or, "
        "for pods only, a folder on an existing PVC (`pvc://CLAIM/FOLDER`).",
    )
    revision: (
        Annotated[
            str,
            Field(min_length=1, max_length=255),
            Format(
                Form(
                    "^[A-Za-z0-9][A-Za-z0-9._/-]*$",
                    "must be a commit hash, branch or tag of the model on the Hub, such as main",
                )
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="Commit hash, branch or tag of the model on the Hub, such as main. To prevent unexpected changes, "
        "pin a commit. With `inCluster.cache`, all pods of a revision load the same commit.",
    )
    allow_pickle: bool | None = Field(
        default=None,
        description="Whether to load `.bin` weights if the model has no safetensors files. `.bin` files are pickle "
        "files, which can run code. This field applies only to weights that a Job downloads or checks "
        "(`inCluster.cache` or a `pvc://` URI). In all other cases, TGI decides. TGI cannot convert `.bin` weights in "
        "a `pvc://` folder.",
    )
    token_secret_ref: SecretKeyRef | None = Field(
        default=None,
        description="Hub token for gated or private models. On SageMaker, changing the Secret rolls out a new "
        "revision, and anyone with the DescribeModel permission can read the token. Pods only reference the Secret.",
    )

    @property
    def on_hub(self) -> bool:
        """Whether the weights come from the Hugging Face Hub."""
        return self.uri.startswith(HF_SCHEME)

    @property
    def hub_id(self) -> str:
        """`owner/name` of an hf:// URI."""
        return self.uri.removeprefix(HF_SCHEME)

    @property
    def claim(self) -> tuple[str, str] | None:
        """PVC and folder of a pvc:// URI, or None for any other URI."""
        if not self.uri.startswith(PVC_SCHEME):
            return None
        name, _, folder = self.uri.removeprefix(PVC_SCHEME).partition("/")
        return name, folder.strip("/")


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


class EnvVarSource(APIObject):
    """The source of the value of a variable."""

    secret_key_ref: SecretKeyRef = Field(
        description="Key of a Secret in the namespace of the resource. On SageMaker, changing the Secret rolls out a "
        "new revision, and anyone with the DescribeModel permission can read the value. Pods only reference the Secret "
        "and read the value when they start."
    )


class EnvVar(APIObject):
    """A launcher option, set as an environment variable."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            ("has(self.value) != has(self.valueFrom)", "exactly one of value and valueFrom must be set")
        )
    }

    name: Annotated[
        str,
        Field(min_length=1, max_length=128),
        Format(
            Form(
                "^[A-Za-z_][A-Za-z0-9_]*$",
                "must be the name of an environment variable (letters, digits and '_'), such as MAX_BATCH_TOTAL_TOKENS",
            )
        ),
    ] = Field(description="Name of the variable, such as MAX_BATCH_TOTAL_TOKENS.")
    value: Annotated[str, Field(min_length=1, max_length=1024)] | None = Field(
        default=None, description="Value in the format that the launcher expects."
    )
    value_from: EnvVarSource | None = Field(
        default=None,
        description="Source of a secret value, such as that of `API_KEY` or `AWS_SECRET_ACCESS_KEY`, for at most 16 "
        "variables. Options that the operator checks, such as `MAX_BATCH_TOTAL_TOKENS`, must have a `value`.",
    )


class Runtime(APIObject):
    """Text Generation Inference and its launcher options."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            ("!(has(self.version) && has(self.image))", "at most one of version and image may be set"),
            (
                "!has(self.maxInputTokens) || !has(self.maxTotalTokens) || self.maxInputTokens < self.maxTotalTokens",
                "maxInputTokens must be less than maxTotalTokens, which also includes the answer",
            ),
            (
                "!has(self.dtype) || !has(self.quantize) || self.quantize.startsWith('bitsandbytes')",
                "at most one of dtype and quantize may be set, except with bitsandbytes",
            ),
            (
                f"!has(self.env) || self.env.map(e, has(e.valueFrom) ? 1 : 0).sum() <= {MOST_SECRET_VARIABLES}",
                f"at most {MOST_SECRET_VARIABLES} variables in env may have valueFrom",
            ),
        )
    }

    version: (
        Annotated[
            str,
            Field(max_length=32),
            Format(Form("^[0-9]+[.][0-9]+([.][0-9]+)?$", "must be a TGI version, such as 3.3.6 or 3.3")),
        ]
        | None
    ) = Field(
        default=None,
        description="TGI version, such as 3.3.6. Default: the newest version that the operator supports on the backend "
        "when the resource is created. Upgrading the operator does not change the version.",
    )
    image: (
        Annotated[
            str,
            Field(min_length=1, max_length=255),
            Format(Form("^[!-~]+$", "must be a container image name without spaces, such as REGISTRY/REPOSITORY:TAG")),
        ]
        | None
    ) = Field(
        default=None,
        description="Container image to use instead of `version`. SageMaker pulls only from Amazon ECR.",
    )
    dtype: DType | None = Field(
        default=None, description="Sets `DTYPE`, the data type of the loaded weights, such as bfloat16."
    )
    quantize: Quantize | None = Field(
        default=None, description="Sets `QUANTIZE`, the quantization method of the weights, such as awq."
    )
    num_shard: Annotated[Int32, Field(ge=1, le=64)] | None = Field(
        default=None,
        description="Sets `NUM_SHARD`, the number of GPUs that the model is sharded across. Default: all GPUs of the "
        "instance or pod, or fewer if the attention heads of a known model cannot be split evenly across them.",
    )
    max_input_tokens: Positive | None = Field(
        default=None, description="Sets `MAX_INPUT_TOKENS`, the maximum length of a prompt in tokens, such as 4096."
    )
    max_total_tokens: Positive | None = Field(
        default=None,
        description="Sets `MAX_TOTAL_TOKENS`, the maximum combined length of a prompt and its answer in tokens, such "
        "as 8192.",
    )
    max_batch_prefill_tokens: Positive | None = Field(
        default=None,
        description="Sets `MAX_BATCH_PREFILL_TOKENS`, the maximum number of prompt tokens in a prefill batch, such as "
        "4096.",
    )
    max_concurrent_requests: Positive | None = Field(
        default=None,
        description="Sets `MAX_CONCURRENT_REQUESTS`, the maximum number of concurrent requests, such as 128. TGI "
        "rejects further requests with status 429.",
    )
    trust_remote_code: bool | None = Field(
        default=None,
        description="Sets `TRUST_REMOTE_CODE`, which controls whether TGI runs code from the model repository. If you "
        "set this field to true, pin `model.revision`.",
    )
    env: tuple[EnvVar, ...] = Field(
        default=(),
        max_length=60,
        json_schema_extra=list_map("name"),
        description="Additional launcher options as environment variables.",
    )

    @property
    def literal_env(self) -> dict[str, str]:
        """The variables of `env` whose value is in the spec."""
        return {each.name: each.value for each in self.env if each.value is not None}

    @property
    def secret_env(self) -> dict[str, SecretKeyRef]:
        """The variables of `env` whose value is in a Secret."""
        return {each.name: each.value_from.secret_key_ref for each in self.env if each.value_from is not None}


class DeletionPolicy(StrEnum):
    """The action to take when the resource is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


BACKENDS = ("sageMaker", "inCluster")
"""Fields of the spec that name a backend. Exactly one is set."""

_ONE_BACKEND = "[" + ", ".join(f"has(self.{name})" for name in BACKENDS) + "].exists_one(b, b)"
_SAME_BACKEND = " && ".join(f"has(self.{name}) == has(oldSelf.{name})" for name in BACKENDS)

_ISOLATED_ONLY_FROM_S3 = (
    "!has(self.sageMaker) || !has(self.sageMaker.enableNetworkIsolation) || !self.sageMaker.enableNetworkIsolation"
    " || self.model.uri.startsWith('s3://')"
)


def _only(metrics: tuple[str, ...]) -> str:
    known = ", ".join(f"'{metric}'" for metric in metrics)
    return f"!has(self.autoscaling.metrics) || self.autoscaling.metrics.all(m, m.type in [{known}])"


_NO_POLICIES = (
    "!has(self.autoscaling.behavior) || "
    "(!has(self.autoscaling.behavior.scaleUp) || !has(self.autoscaling.behavior.scaleUp.policies) && "
    "!has(self.autoscaling.behavior.scaleUp.selectPolicy)) && "
    "(!has(self.autoscaling.behavior.scaleDown) || !has(self.autoscaling.behavior.scaleDown.policies) && "
    "(!has(self.autoscaling.behavior.scaleDown.selectPolicy) || "
    "self.autoscaling.behavior.scaleDown.selectPolicy == 'Disabled'))"
)


class Spec(APIObject):
    """Desired state of the endpoint."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            (_ONE_BACKEND, f"exactly one backend must be set: {' or '.join(BACKENDS)}"),
            (
                _SAME_BACKEND,
                (
                    "the backend of an existing resource is immutable; create a second TGIEndpoint with the other "
                    "backend, move the traffic to it, and then delete this one"
                ),
            ),
            (
                _ISOLATED_ONLY_FROM_S3,
                (
                    "enableNetworkIsolation requires an s3:// model.uri because the isolated container cannot access "
                    "the Hugging Face Hub"
                ),
            ),
            (
                "has(self.inCluster) || !self.model.uri.startsWith('pvc://')",
                "a pvc:// model.uri requires inCluster",
            ),
            (
                "!has(self.inCluster) || !has(self.inCluster.cache) || !self.model.uri.startsWith('pvc://')",
                "inCluster.cache must not be set with a pvc:// model.uri because the weights are already on a PVC",
            ),
            (
                "!has(self.inCluster) || has(self.inCluster.cache) || !self.model.uri.startsWith('s3://')",
                (
                    "for pods, an s3:// model.uri requires inCluster.cache, which sets the PVC for the downloaded "
                    "weights"
                ),
            ),
            ("!has(self.rollout) || has(self.inCluster)", "rollout requires inCluster"),
            (
                "!has(self.replicas) || self.replicas > 0 || has(self.inCluster)",
                "on SageMaker, replicas must be at least 1",
            ),
            (
                "!(has(self.replicas) && has(self.autoscaling))",
                "at most one of replicas and autoscaling may be set",
            ),
            (
                f"!has(self.autoscaling) || !has(self.inCluster) || {_only(IN_CLUSTER_METRICS)}",
                f"for pods, autoscaling.metrics[].type must be one of {', '.join(IN_CLUSTER_METRICS)}",
            ),
            (
                f"!has(self.autoscaling) || has(self.inCluster) || {_only(SAGEMAKER_METRICS)}",
                f"on SageMaker, autoscaling.metrics[].type must be one of {', '.join(SAGEMAKER_METRICS)}",
            ),
            (
                f"!has(self.autoscaling) || has(self.inCluster) || {_NO_POLICIES}",
                (
                    "on SageMaker, autoscaling.behavior may contain only stabilizationWindowSeconds and, in scaleDown, "
                    "selectPolicy with the value Disabled"
                ),
            ),
        )
    }

    model: Model = Field(description="Model to serve.")
    runtime: Runtime = Field(default=Runtime(), description="TGI version and launcher options.")
    replicas: Annotated[Int32, Field(ge=0, le=INT32_MAX)] | None = Field(
        default=None,
        description="Number of instances or pods, such as 2. Default: the current replica count, or 1 for a new "
        "endpoint. Only pods can be scaled to 0.",
    )
    autoscaling: Autoscaling | None = Field(
        default=None,
        description="Settings for autoscaling, which adjusts the replica count to the load. Mutually exclusive with "
        "`replicas`.",
    )
    rollout: Rollout | None = Field(default=None, description="How changes are rolled out. For pods only.")
    deletion_policy: DeletionPolicy = Field(
        default=DeletionPolicy.DELETE,
        description="Action to take when the resource is deleted. `Delete`: the operator deletes everything that it "
        "created. `Retain`: on SageMaker, the endpoint keeps running and continues to be billed. In the cluster, the "
        "operator keeps the PVC with the weights.",
    )
    sage_maker: SageMaker | None = Field(default=None, description="Settings for serving on Amazon SageMaker.")
    in_cluster: InCluster | None = Field(default=None, description="Settings for serving in pods of this cluster.")

    @property
    def backend(self) -> str:
        """The field of `BACKENDS` that is set, or sageMaker if none is, which the API server does not admit."""
        return "inCluster" if self.in_cluster is not None else "sageMaker"
