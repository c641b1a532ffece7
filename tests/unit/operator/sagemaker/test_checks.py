"""Errors that cost nothing because they are found first: each check with a spec that fails it and a near miss."""

from typing import Any

import pytest

from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.sagemaker import SageMaker
from tgi_operator.api.spec import Spec
from tgi_operator.backends.sagemaker.desired import checks
from tgi_operator.backends.secret_values import SecretValue
from tgi_operator.engines.tgi import images
from unit.operator.sagemaker.test_render import desired, spec


def first_problem(runtime: dict[str, Any] | None = None, **sage_maker: Any) -> Problem | None:
    spec = Spec.model_validate({"model": {"uri": "hf://HuggingFaceH4/zephyr-7b-beta"}, "runtime": runtime or {}})
    smallest = {
        "region": "eu-west-1",
        "executionRoleARN": "arn:aws:iam::111122223333:role/tgi-exec",
        "instanceType": "ml.g5.12xlarge",
    }
    return checks.first_problem(spec, SageMaker.model_validate(smallest | sage_maker))


def in_region(region: str, partition: str) -> dict[str, Any]:
    return {"region": region, "executionRoleARN": f"arn:{partition}:iam::111122223333:role/tgi-exec"}


def variables(number: int, size: int = 1) -> dict[str, Any]:
    return {"env": [{"name": f"V{index:02}", "value": "x" * size} for index in range(number)]}


SECRET: dict[str, Any] = {"name": "V98", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}

# HF_MODEL_ID, SM_NUM_GPUS and their values.
OPERATORS_OWN_BYTES = len("HF_MODEL_ID") + len("HuggingFaceH4/zephyr-7b-beta") + len("SM_NUM_GPUS") + len("4")


def variables_of(total: int, number: int) -> dict[str, Any]:
    """Return variables that make an environment of this many bytes in total, with one variable more than `number`."""
    described = variables(number, 1000)
    missing = total - OPERATORS_OWN_BYTES - number * (3 + 1000)
    described["env"].append({"name": "V99", "value": "x" * (missing - 3)})
    return described


@pytest.mark.parametrize(
    ("runtime", "sage_maker", "reason", "message"),
    [
        pytest.param(
            {},
            in_region("cn-north-1", "aws"),
            Reason.INVALID_SPEC,
            "the role is in partition aws, but region cn-north-1 is in aws-cn; use a role whose ARN begins with "
            "arn:aws-cn:iam::",
            id="a role of the commercial partition in China",
        ),
        pytest.param(
            {},
            in_region("eu-west-1", "aws-us-gov"),
            Reason.INVALID_SPEC,
            "the role is in partition aws-us-gov, but region eu-west-1 is in aws; use a role whose ARN begins with "
            "arn:aws:",
            id="a role of GovCloud in Europe",
        ),
        pytest.param(
            {"version": "3.3.7"},
            {},
            Reason.UNKNOWN_VERSION,
            "spec.runtime.version: TGI 3.3.7 is not in the catalog; use one of 0.6.0, ",
            id="a version without an image",
        ),
        pytest.param(
            {},
            in_region("sa-west-1", "aws"),
            Reason.INVALID_SPEC,
            "spec.sageMaker.region: AWS publishes no TGI image in sa-west-1; set spec.runtime.image",
            id="a region without images",
        ),
        pytest.param(
            {},
            {"instanceType": "ml.m5.xlarge"},
            Reason.UNSUPPORTED_INSTANCE_TYPE,
            "spec.sageMaker.instanceType: ml.m5.xlarge is not in the GPU instance table of this operator",
            id="an instance without a GPU",
        ),
        pytest.param(
            {},
            {"instanceType": "ml.inf2.xlarge"},
            Reason.UNSUPPORTED_INSTANCE_TYPE,
            "it has AWS Inferentia chips and no GPU",
            id="an instance with another accelerator",
        ),
        pytest.param(
            {"env": [{"name": "API_KEY", "value": "x"}]},
            {},
            Reason.CONFLICTING_OPTIONS,
            "API_KEY would lock out SageMaker, and IAM already protects the endpoint; remove API_KEY",
            id="a key that SageMaker cannot send",
        ),
        pytest.param(
            {"numShard": 8},
            {},
            Reason.INVALID_NUM_SHARD,
            "numShard is 8, but the number of GPUs is 4",
            id="what the checks of TGI find",
        ),
    ],
)
def test_what_cannot_work_is_refused(
    runtime: dict[str, Any], sage_maker: dict[str, Any], reason: Reason, message: str
) -> None:
    problem = first_problem(runtime, **sage_maker)
    assert problem is not None
    assert problem.reason is reason
    assert message in problem.message
    assert problem.message.startswith("spec.")


@pytest.mark.parametrize(
    ("runtime", "sage_maker"),
    [
        pytest.param({}, {}, id="the smallest spec"),
        pytest.param({}, in_region("cn-north-1", "aws-cn"), id="a role of China in China"),
        pytest.param({}, in_region("us-gov-east-1", "aws-us-gov"), id="a role of GovCloud in GovCloud"),
        pytest.param({"version": "3.3"}, {}, id="a minor version"),
        pytest.param(
            {"image": "111122223333.dkr.ecr.sa-west-1.amazonaws.com/own:1"},
            in_region("sa-west-1", "aws"),
            id="an image of one's own where there is none of AWS",
        ),
        pytest.param({"numShard": 4}, {}, id="a shard for each GPU"),
        pytest.param({"env": [{"name": "API_KEYS", "value": "x"}]}, {}, id="a variable named alike"),
        pytest.param(variables(60), {}, id="as many variables as the CRD allows"),
    ],
)
def test_near_miss_passes(runtime: dict[str, Any], sage_maker: dict[str, Any]) -> None:
    assert first_problem(runtime, **sage_maker) is None


@pytest.mark.parametrize("secret", [0, 1000], ids=["in the spec", "with a value from a Secret"])
@pytest.mark.parametrize("above", [0, 1], ids=["as large as possible", "one byte too large"])
def test_environment_has_the_limit_of_aws(secret: int, above: int) -> None:
    size = 32 * 1024 + above - (secret and secret + len("V98"))
    runtime = variables_of(size, 31 if secret else 32)
    found = {}
    if secret:
        runtime["env"].append(SECRET)
        found["V98"] = SecretValue("s" * secret, "s-1")
    problem = checks.environment_too_large(desired(spec({"runtime": runtime}), env=found))
    if not above:
        assert problem is None
        return
    assert problem is not None
    assert problem.reason is Reason.INVALID_SPEC
    assert "35 variables totaling 32769 bytes exceed the SageMaker limits" in problem.message
    assert "use at most 100 variables and 32768 bytes" in problem.message


@pytest.mark.parametrize("region", images.catalogue()["registries"])
def test_smallest_spec_passes_in_every_region_of_the_catalogue(region: str) -> None:
    assert first_problem(**in_region(region, images.partition(region))) is None


def test_problem_of_the_instance_is_told_before_those_that_need_one() -> None:
    problem = first_problem({"numShard": 64, "quantize": "exl2"}, instanceType="ml.p3.2xlarge")
    assert problem is not None
    assert problem.reason is Reason.UNSUPPORTED_INSTANCE_TYPE


@pytest.mark.parametrize(
    ("adapters", "isolated", "message"),
    [
        pytest.param("a/b", True, "'a/b' is on the Hugging Face Hub, which the container cannot reach", id="isolated"),
        pytest.param("x=/opt/ml/model/x, a/b@v1", True, "'a/b@v1' is on the Hugging Face Hub", id="one of two"),
        pytest.param("x=/opt/ml/model/x", True, None, id="in the folder of the model"),
        pytest.param("a/b", False, None, id="with a network"),
    ],
)
def test_adapters_on_the_hub_need_a_network(adapters: str, isolated: bool, message: str | None) -> None:
    runtime = {"env": [{"name": "LORA_ADAPTERS", "value": adapters}]}
    spec = Spec.model_validate({"model": {"uri": "s3://weights/zephyr/"}, "runtime": runtime})
    target = SageMaker.model_validate(
        {
            "region": "eu-west-1",
            "executionRoleARN": "arn:aws:iam::111122223333:role/tgi-exec",
            "instanceType": "ml.g5.12xlarge",
            "enableNetworkIsolation": isolated,
        }
    )
    problem = checks.first_problem(spec, target)
    assert problem is None if message is None else problem is not None and message in problem.message
