"""GPUs by instance type, from data/instances.yaml."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from tgi_operator import __version__


@dataclass(frozen=True)
class Instance:
    """The GPUs of an instance type: `count` of `gpu`, each with `memory_mib`, of CUDA `capability` (major, minor).

    `more`, `newer` and `fewer` describe how a user gets more GPUs, newer ones, and fewer.
    """

    gpu: str
    count: int
    memory_mib: int
    capability: tuple[int, int]
    more: str = "use a larger spec.sageMaker.instanceType"
    newer: str = "use ml.g5 or a newer family in spec.sageMaker.instanceType"
    fewer: str = "use a smaller spec.sageMaker.instanceType"


class UnsupportedInstanceTypeError(ValueError):
    """TGI does not run on that instance type. The text shows the reason and the supported types."""


@cache
def _families() -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load(files(__package__).joinpath("data/instances.yaml").read_text()))


def supported_families() -> tuple[str, ...]:
    """Return the instance families that TGI runs on, such as g5."""
    return tuple(name for name, family in _families().items() if "unsupported" not in family)


def instance(instance_type: str) -> Instance:
    """Return the GPUs of `instance_type`, such as ml.g5.12xlarge.

    Raises UnsupportedInstanceTypeError if TGI does not run.
    """
    _, family_name, size = instance_type.split(".", 2)
    family = _families().get(family_name)
    use = f"use an instance type from one of these families: {', '.join(f'ml.{name}' for name in supported_families())}"
    if family is None:
        table = f"the GPU instance table of this operator (version {__version__})"
        raise UnsupportedInstanceTypeError(f"{instance_type} is not in {table}; {use}")
    if "unsupported" in family:
        raise UnsupportedInstanceTypeError(f"{instance_type} cannot run TGI because {family['unsupported']}; {use}")
    if size not in family["gpus"]:
        sizes = ", ".join(f"ml.{family_name}.{name}" for name in family["gpus"])
        raise UnsupportedInstanceTypeError(f"{instance_type} does not exist on SageMaker; use one of {sizes}")
    major, minor = family["capability"].split(".")
    return Instance(family["gpu"], family["gpus"][size], family["memoryMiB"], (int(major), int(minor)))
