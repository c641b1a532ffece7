"""GPUs by the product name on a node's label."""

import re
from typing import Any

import pytest

from tgi_operator.api.incluster import InCluster
from tgi_operator.hardware.gpus import UnsupportedGPUError, gpus, pod_gpus, shared_gpu


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


MIG = "NVIDIA-A100-SXM4-40GB-MIG-3g.20gb"
PARTITION = {"cloud.google.com/gke-gpu-partition-size": "1g.5gb"}
SHARING = {"cloud.google.com/gke-gpu-sharing-strategy": "time-sharing"}


@pytest.mark.parametrize(
    ("gpu", "labels", "expected"),
    [
        pytest.param({"products": [MIG]}, {}, (MIG, 20480, (8, 0), None), id="a sliced product"),
        pytest.param(
            {"products": ["NVIDIA-H200-MIG-1g.18gb"]},
            {},
            ("NVIDIA-H200-MIG-1g.18gb", 18432, (9, 0), None),
            id="another one",
        ),
        pytest.param(
            {"resourceName": "nvidia.com/mig-3g.20gb"},
            {},
            ("nvidia.com/mig-3g.20gb", 20480, (8, 0), None),
            id="a slice",
        ),
        pytest.param(
            {"resourceName": "nvidia.com/mig-1g.10gb", "products": ["NVIDIA-H100-80GB-HBM3"]},
            {},
            ("NVIDIA-H100-80GB-HBM3", 10240, (9, 0), None),
            id="a slice of a product",
        ),
        pytest.param(
            {"products": [MIG, "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb"]}, {}, (MIG, 10240, (8, 0), None), id="the smallest"
        ),
        pytest.param(
            {"resourceName": "nvidia.com/mig-3g.20gb", "products": ["nvidia-l4-shared"]},
            {},
            ("nvidia-l4-shared", 20480, (8, 9), "nvidia-l4-shared"),
            id="a shared product in lowercase",
        ),
        pytest.param({}, PARTITION, ("cloud.google.com/gke-gpu-partition-size: 1g.5gb", 5120, (8, 0), None), id="GKE"),
        pytest.param(
            {"products": [f"{MIG}-SHARED"]}, {}, (f"{MIG}-SHARED", 20480, (8, 0), f"{MIG}-SHARED"), id="a shared slice"
        ),
        pytest.param(
            {"products": ["Tesla-T4-SHARED"]},
            {},
            ("Tesla-T4-SHARED", 16384, (7, 5), "Tesla-T4-SHARED"),
            id="a shared GPU",
        ),
        pytest.param(
            {"resourceName": "nvidia.com/gpu.shared"},
            {},
            ("nvidia.com/gpu.shared", 0, (8, 0), "nvidia.com/gpu.shared"),
            id="a shared resource",
        ),
        pytest.param(
            {"products": ["NVIDIA-L4"]},
            SHARING,
            ("NVIDIA-L4", 22888, (8, 9), "cloud.google.com/gke-gpu-sharing-strategy: time-sharing"),
            id="shared on GKE",
        ),
    ],
)
def test_part_of_a_gpu(
    gpu: dict[str, Any], labels: dict[str, str], expected: tuple[str, int, tuple[int, int], str | None]
) -> None:
    target = InCluster.model_validate({"gpu": gpu, "nodeSelector": labels})
    found = pod_gpus(target)
    assert (found.gpu, found.memory_mib, found.capability, shared_gpu(target)) == expected
    assert found.count == 1


@pytest.mark.parametrize("resource", ["nvidia.com/gpu", "amd.com/gpu", "nvidia.com/pgpu"])
def test_whole_gpus(resource: str) -> None:
    target = InCluster.model_validate({"gpu": {"count": 4, "resourceName": resource}, "nodeSelector": {"pool": "x"}})
    assert (pod_gpus(target), shared_gpu(target)) == (gpus([], 4), None)


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
    assert found.fewer == "lower spec.inCluster.gpu.count"
