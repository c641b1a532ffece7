"""GPUs by the product name on a node's label."""

import re

import pytest

from tgi_operator.hardware.gpus import UnsupportedGPUError, gpus


@pytest.mark.parametrize(
    ("product", "capability", "memory"),
    [
        ("Tesla-T4", (7, 5), 16384),
        ("NVIDIA-A10", (8, 6), 22888),
        ("NVIDIA-A10G", (8, 6), 22888),
        ("NVIDIA-L4", (8, 9), 22888),
        ("NVIDIA-L40", (8, 9), 45776),
        ("NVIDIA-L40S", (8, 9), 45776),
        ("NVIDIA-A100-SXM4-40GB", (8, 0), 40960),
        ("NVIDIA-A100-SXM4-80GB", (8, 0), 81920),
        ("NVIDIA-A100-80GB-PCIe", (8, 0), 81920),
        ("NVIDIA-H100-80GB-HBM3", (9, 0), 81920),
        ("NVIDIA-H200", (9, 0), 144384),
        ("nvidia-l4", (8, 9), 22888),
    ],
)
def test_known_product(product: str, capability: tuple[int, int], memory: int) -> None:
    found = gpus([product], 4)
    assert (found.gpu, found.count, found.capability, found.memory_mib) == (product, 4, capability, memory)


@pytest.mark.parametrize(
    ("product", "capability"),
    [("Tesla-T4-SHARED", (7, 5)), ("NVIDIA-L4-SHARED", (8, 9)), ("NVIDIA-A10G-SHARED", (8, 6))],
)
def test_gpu_that_pods_share_is_the_same_gpu(product: str, capability: tuple[int, int]) -> None:
    """NVIDIA's device plugin appends -SHARED to the label if GPUs are time-sliced."""
    found = gpus([product], 1)
    assert (found.gpu, found.capability) == (product, capability)


@pytest.mark.parametrize(
    ("product", "why"),
    [
        ("Tesla-K80", "below 7.0"),
        ("Tesla-P4", "below 7.0"),
        ("Tesla-P100-PCIE-16GB", "below 7.0"),
        ("Tesla-V100-SXM2-16GB", "does not support FlashAttention"),
        ("NVIDIA-B200", "compute capability 10"),
        ("NVIDIA-GB200", "compute capability 10"),
        ("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", "compute capability 12.0"),
    ],
)
def test_product_that_tgi_does_not_run_on(product: str, why: str) -> None:
    text = rf"{re.escape(product)} cannot run TGI because .*{re.escape(why)}.*; remove {re.escape(product)}"
    for products in ([product], ["NVIDIA-L4", product], [product, "NVIDIA-H100"]):
        with pytest.raises(UnsupportedGPUError, match=text):
            gpus(products, 1)


@pytest.mark.parametrize(
    ("products", "gpu", "capability"),
    [
        pytest.param([], "GPU", (8, 0), id="any"),
        pytest.param(["NVIDIA-GeForce-RTX-4090"], "GPU", (8, 0), id="one that is not known"),
        pytest.param(["NVIDIA-L40S", "Tesla-T4", "NVIDIA-H100"], "Tesla-T4", (7, 5), id="the oldest of some"),
        pytest.param(["NVIDIA-GeForce-RTX-4090", "Tesla-T4"], "Tesla-T4", (7, 5), id="the oldest of those known"),
        pytest.param(["NVIDIA-L4-AND-MORE"], "GPU", (8, 0), id="one named alike"),
    ],
)
def test_oldest_counts(products: list[str], gpu: str, capability: tuple[int, int]) -> None:
    found = gpus(products, 2)
    assert (found.gpu, found.count, found.capability) == (gpu, 2, capability)


def test_advice_is_of_the_cluster() -> None:
    found = gpus([], 1)
    assert found.more == "raise spec.inCluster.gpu.count"
    assert found.newer == "use a newer GPU in spec.inCluster.gpu.products"
