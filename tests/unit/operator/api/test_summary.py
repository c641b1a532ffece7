"""The columns of `kubectl get`: replicas, one word, the model and its hardware, all of them short."""

from typing import Any

import pytest

from tgi_operator.api.conditions import ConditionUpdate, merge
from tgi_operator.api.spec import Spec
from tgi_operator.api.status import ConditionStatus, ConditionType, Status
from tgi_operator.api.summary import with_summary

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN
READY, RECONCILING, STALLED = ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED


def spec(uri: str = "hf://HuggingFaceH4/zephyr-7b-beta", **backend: Any) -> Spec:
    sage_maker = {"region": "eu-west-1", "executionRoleARN": "arn:aws:iam::111122223333:role/r"}
    target = backend or {"sageMaker": sage_maker | {"instanceType": "ml.g5.12xlarge"}}
    return Spec.model_validate({"model": {"uri": uri}, **target})


def status(
    *conditions: tuple[ConditionType, ConditionStatus], ready: int | None = 0, desired: int | None = 1
) -> Status:
    updates = [ConditionUpdate(kind, value, "Creating", "Text.") for kind, value in conditions]
    merged = merge((), updates, generation=1, now="2026-01-01T00:00:00Z")
    return Status(conditions=merged, ready_replicas=ready, desired_replicas=desired)


@pytest.mark.parametrize(
    ("shown", "summary"),
    [
        (status((READY, TRUE), ready=1), "1/1"),
        (status((READY, TRUE), ready=1, desired=3), "1/3"),
        (status((READY, TRUE), desired=0), "0/0"),
        (status((READY, FALSE), (RECONCILING, TRUE)), "0/1 wait"),
        (status((READY, FALSE), (STALLED, TRUE), ready=2, desired=2), "2/2 act"),
        # A change that takes too long: the operator continues, but a user must know.
        (status((READY, FALSE), (RECONCILING, TRUE), (STALLED, TRUE)), "0/1 act"),
        # AWS cannot be read: the operator retries.
        (status((READY, UNKNOWN), ready=1), "1/1 wait"),
        (status((READY, UNKNOWN), (STALLED, TRUE), ready=1), "1/1 act"),
        # A spec that was refused before the replicas were counted.
        (status((READY, FALSE), (STALLED, TRUE), ready=None, desired=None), "act"),
        (status(ready=None, desired=None), "wait"),
    ],
)
def test_summary_counts_replicas_and_has_one_word_for_what_to_do(shown: Status, summary: str) -> None:
    assert with_summary(shown, spec()).summary == summary


@pytest.mark.parametrize(
    ("uri", "model"),
    [
        ("hf://HuggingFaceH4/zephyr-7b-beta", "zephyr-7b-beta"),
        ("hf://meta-llama/Llama-3.3-70B-Instruct", "Llama-3.3-70B-I…"),
        ("s3://weights/falcon/", "falcon"),
        ("s3://weights/", "weights"),
        ("pvc://claim/models/phi-4", "phi-4"),
        ("pvc://claim", "claim"),
    ],
)
def test_model_is_the_last_part_of_its_uri(uri: str, model: str) -> None:
    backend: dict[str, Any] = {"inCluster": {}} if uri.startswith("pvc:") else {}
    assert with_summary(status(), spec(uri, **backend)).model == model


@pytest.mark.parametrize(
    ("gpu", "hardware"),
    [
        ({}, "1 GPU"),
        ({"count": 2}, "2 GPUs"),
        ({"count": 4, "products": ["NVIDIA-L4"]}, "4 L4"),
        ({"products": ["NVIDIA-L4", "NVIDIA-A10G"]}, "1 L4,A10G"),
        ({"count": 8, "products": ["NVIDIA-A100-SXM4-80GB"]}, "8 A100-SXM4-…"),
    ],
)
def test_hardware_of_pods_is_their_gpus(gpu: dict[str, Any], hardware: str) -> None:
    assert with_summary(status(), spec(inCluster={"gpu": gpu})).hardware == hardware


def test_hardware_on_sagemaker_is_the_instance_type() -> None:
    assert with_summary(status(), spec()).hardware == "g5.12xlarge"


def test_without_a_readable_spec_model_and_hardware_stay() -> None:
    before = with_summary(status((READY, TRUE), ready=1), spec())
    after = with_summary(before.model_copy(update={"ready_replicas": 0}), None)
    assert (after.summary, after.model, after.hardware) == ("0/1", "zephyr-7b-beta", "g5.12xlarge")
