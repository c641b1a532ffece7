"""GPUs by the product name on a node label, from data/gpus.yaml."""

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from tgi_operator.hardware.instances import Instance

_MORE = "raise spec.inCluster.gpu.count"
_NEWER = "use a newer GPU in spec.inCluster.gpu.products"
_ANY = Instance("GPU", 1, 0, (8, 0))
"""An unknown GPU, which is treated as one that supports all features of TGI."""


class UnsupportedGPUError(ValueError):
    """TGI does not run on that GPU. The text shows the reason and the supported GPUs."""


@cache
def _known() -> tuple[tuple[re.Pattern[str], dict[str, Any]], ...]:
    table = yaml.safe_load(files(__package__).joinpath("data/gpus.yaml").read_text())
    return tuple((re.compile(row["product"], re.IGNORECASE), row) for row in table)


def gpus(products: Iterable[str], count: int) -> Instance:
    """Return `count` GPUs with at least these capabilities: those of the oldest of `products`, such as NVIDIA-L4.

    Raises UnsupportedGPUError if TGI does not run on one of them.
    """
    found = [_gpu(product) for product in products] or [_ANY]
    oldest = min(found, key=lambda gpu: gpu.capability)
    return Instance(oldest.gpu, count, min(gpu.memory_mib for gpu in found), oldest.capability, _MORE, _NEWER)


def _gpu(product: str) -> Instance:
    # The suffix with which NVIDIA's device plugin marks GPUs that pods share.
    plain = product.removesuffix("-SHARED")
    row = next((row for pattern, row in _known() if pattern.fullmatch(plain)), None)
    if row is None:
        return _ANY
    if "unsupported" in row:
        raise UnsupportedGPUError(f"{product} cannot run TGI because {row['unsupported']}; remove {product}")
    major, minor = row["capability"].split(".")
    return Instance(product, 1, row["memoryMiB"], (int(major), int(minor)))
