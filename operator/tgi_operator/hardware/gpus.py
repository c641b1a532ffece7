"""GPUs by the product name on a node label, from data/gpus.yaml, and the parts of GPUs that pods can request."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from tgi_operator.api.incluster import InCluster
from tgi_operator.hardware.instances import Instance

_MORE = "raise spec.inCluster.gpu.count"
_NEWER = "use a newer GPU in spec.inCluster.gpu.products"
_FEWER = "lower spec.inCluster.gpu.count"
_ANY = Instance("GPU", 1, 0, (8, 0))
"""An unknown GPU, which is treated as one that supports all features of TGI."""

_PART_OF_RESOURCE = re.compile(r"nvidia\.com/(mig-.+|.+\.shared)")
_PART_OF_PRODUCT = re.compile(r"(?P<whole>.+?)(?P<mig>-MIG-.+?)?(?P<shared>-SHARED)?", re.IGNORECASE)
"""The product label with the suffixes that NVIDIA's GPU feature discovery adds for slices and for shared GPUs."""

_PROFILE = re.compile(r"\b\d+g\.(\d+)gb", re.IGNORECASE)
"""A MIG profile, such as 3g.20gb: 3 slices of the GPU with 20 GB of memory."""

_PARTITION = "cloud.google.com/gke-gpu-partition-size"
_SHARING = "cloud.google.com/gke-gpu-sharing-strategy"
"""GKE's labels of nodes whose GPUs have slices or are shared. The resource there is nvidia.com/gpu."""

_SHARED = re.compile(rf"[.-]shared$|^{re.escape(_SHARING)}:", re.IGNORECASE)
"""The parts whose memory other pods can use too."""


class UnsupportedGPUError(ValueError):
    """TGI does not run on that GPU. The text shows the reason and the supported GPUs."""


@cache
def known_products() -> tuple[tuple[re.Pattern[str], dict[str, Any]], ...]:
    """Return the rows of data/gpus.yaml, each with the pattern of its product names."""
    table = yaml.safe_load(files(__package__).joinpath("data/gpus.yaml").read_text())
    return tuple((re.compile(row["product"], re.IGNORECASE), row) for row in table)


def vendor(resource_name: str) -> str:
    """Return the vendor of an extended resource, which is its domain: nvidia.com for nvidia.com/mig-3g.20gb."""
    return resource_name.partition("/")[0]


def pod_gpus(target: InCluster) -> Instance:
    """Return the GPUs of a pod, as `gpus` does. A part of a GPU is a single GPU with the memory of that part.

    Raises UnsupportedGPUError.
    """
    found = gpus(target.gpu.products, target.gpu.count)
    part = part_of_gpu(target)
    if part is None:
        return found
    named = (target.gpu.resource_name, target.node_selector.get(_PARTITION, ""))
    profile = next(filter(None, map(_PROFILE.search, named)), None)
    return replace(
        found,
        gpu=part if found.gpu == _ANY.gpu else found.gpu,
        count=1,
        memory_mib=_memory(profile) if profile else found.memory_mib,
        more=f"request whole GPUs in spec.inCluster.gpu, because TGI can use only one part of a GPU ({part})",
    )


def gpus(products: Iterable[str], count: int) -> Instance:
    """Return `count` GPUs with at least these capabilities: those of the oldest of `products`, such as NVIDIA-L4.

    Raises UnsupportedGPUError if TGI does not run on one of them.
    """
    found = [_gpu(product) for product in products] or [_ANY]
    oldest = min(found, key=lambda gpu: gpu.capability)
    memory = min(gpu.memory_mib for gpu in found)
    return Instance(oldest.gpu, count, memory, oldest.capability, _MORE, _NEWER, _FEWER)


def part_of_gpu(target: InCluster) -> str | None:
    """Return the resource, product or node label by which a pod gets a part of a GPU, or None for whole GPUs.

    CUDA shows a process only one of the slices (MIG) that its container has. Two parts of shared GPUs can be parts of
    the same GPU.
    """
    return next(_parts(target), None)


def shared_gpu(target: InCluster) -> str | None:
    """Return the name by which a pod shares the memory of its GPU with other pods, or None if the memory is its own."""
    return next((part for part in _parts(target) if _SHARED.search(part)), None)


def _parts(target: InCluster) -> Iterator[str]:
    """Yield the resource, products and node labels that stand for parts of GPUs."""
    if _PART_OF_RESOURCE.fullmatch(target.gpu.resource_name):
        yield target.gpu.resource_name
    yield from (product for product in target.gpu.products if _whole(product) != product)
    yield from (
        f"{name}: {target.node_selector[name]}" for name in (_PARTITION, _SHARING) if name in target.node_selector
    )


def _whole(product: str) -> str:
    """Return the product name of the whole GPU."""
    found = _PART_OF_PRODUCT.fullmatch(product)
    return found["whole"] if found else product


def _memory(profile: re.Match[str]) -> int:
    return int(profile[1]) * 1024


def row(product: str) -> dict[str, Any] | None:
    """Return the row of a product in data/gpus.yaml, or None if it is not known."""
    return next((row for pattern, row in known_products() if pattern.fullmatch(product)), None)


def _gpu(product: str) -> Instance:
    whole = _whole(product)
    known = row(whole)
    if known is None:
        return _ANY
    if "unsupported" in known:
        raise UnsupportedGPUError(f"{product} cannot run TGI because {known['unsupported']}; remove {product}")
    major, minor = known["capability"].split(".")
    profile = _PROFILE.search(product.removeprefix(whole))
    return Instance(product, 1, _memory(profile) if profile else known["memoryMiB"], (int(major), int(minor)))
