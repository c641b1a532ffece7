"""The table of GPUs, compared with the instance types of the SageMaker API."""

import re

import pytest
from botocore.session import get_session

from tgi_operator import __version__
from tgi_operator.hardware.instances import Instance, UnsupportedInstanceTypeError, instance, supported_families

HOSTING_TYPES: list[str] = get_session().get_service_model("sagemaker").shape_for("ProductionVariantInstanceType").enum
ACCELERATED = [name for name in HOSTING_TYPES if re.match(r"ml\.(p|g|inf|trn)\d", name)]


def refusal(instance_type: str) -> str:
    with pytest.raises(UnsupportedInstanceTypeError) as caught:
        instance(instance_type)
    return str(caught.value)


def is_supported(instance_type: str) -> bool:
    return instance_type.split(".")[1] in supported_families()


def test_enum_has_what_is_looked_for() -> None:
    assert len(ACCELERATED) > 50
    assert any(is_supported(name) for name in ACCELERATED)


@pytest.mark.parametrize("instance_type", [name for name in ACCELERATED if is_supported(name)])
def test_type_of_a_supported_family_has_gpus(instance_type: str) -> None:
    found = instance(instance_type)
    assert found.count in {1, 4, 8}
    assert found.memory_mib >= 16 * 1024
    assert found.capability >= (7, 5)


@pytest.mark.parametrize("instance_type", [name for name in ACCELERATED if not is_supported(name)])
def test_any_other_accelerated_type_is_refused_with_its_reason(instance_type: str) -> None:
    why = refusal(instance_type)
    assert why.startswith(f"{instance_type} cannot run TGI because ")
    assert re.search(r"GPU|chips", why)
    assert "use an instance type from one of these families: ml.g" in why


@pytest.mark.parametrize("family", supported_families())
def test_family_has_no_size_that_sagemaker_does_not_have(family: str) -> None:
    sizes = refusal(f"ml.{family}.none").partition("use one of ")[2].split(", ")
    assert sorted(sizes) == sorted(name for name in HOSTING_TYPES if name.startswith(f"ml.{family}."))


@pytest.mark.parametrize(
    ("instance_type", "expected"),
    [
        ("ml.g4dn.12xlarge", Instance("T4", 4, 16384, (7, 5))),
        ("ml.g5.2xlarge", Instance("A10G", 1, 22888, (8, 6))),
        ("ml.g5.12xlarge", Instance("A10G", 4, 22888, (8, 6))),
        ("ml.g5.16xlarge", Instance("A10G", 1, 22888, (8, 6))),
        ("ml.g5.48xlarge", Instance("A10G", 8, 22888, (8, 6))),
        ("ml.g6e.24xlarge", Instance("L40S", 4, 45776, (8, 9))),
        ("ml.p4de.24xlarge", Instance("A100", 8, 81920, (8, 0))),
        ("ml.p5.4xlarge", Instance("H100", 1, 81920, (9, 0))),
        ("ml.p5en.48xlarge", Instance("H200", 8, 144384, (9, 0))),
    ],
)
def test_gpus(instance_type: str, expected: Instance) -> None:
    assert instance(instance_type) == expected


@pytest.mark.parametrize(
    ("instance_type", "text"),
    [
        pytest.param(
            "ml.m5.xlarge",
            f"ml.m5.xlarge is not in the GPU instance table of this operator (version {__version__});",
            id="a CPU type",
        ),
        pytest.param("ml.g5.3xlarge", "does not exist on SageMaker; use one of ml.g5.xlarge, ", id="no such size"),
        pytest.param(
            "ml.p3.2xlarge", "its V100 GPUs (compute capability 7.0) do not support FlashAttention", id="a V100"
        ),
        pytest.param("ml.inf2.xlarge", "it has AWS Inferentia chips and no GPU", id="Inferentia"),
        pytest.param("ml.p6-b200.48xlarge", "(compute capability 10.0)", id="a family with a hyphen"),
    ],
)
def test_refusal_says_why_and_what_to_do(instance_type: str, text: str) -> None:
    assert text in refusal(instance_type)
