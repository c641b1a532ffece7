"""The instance types of the emulator: GPUs and local NVMe (AWS EC2 accelerated computing specifications)."""

from __future__ import annotations

from typing import Final

_GPUS_BY_SIZE: Final[dict[str, dict[str, int]]] = {
    "p3": {"8xlarge": 4, "16xlarge": 8},
    "p3dn": {"24xlarge": 8},
    "p4d": {"24xlarge": 8},
    "p4de": {"24xlarge": 8},
    "p5": {"48xlarge": 8},
    "p5e": {"48xlarge": 8},
    "p5en": {"48xlarge": 8},
    "p6-b200": {"48xlarge": 8},
    "p6-b300": {"48xlarge": 8},
    "p6e-gb200": {"36xlarge": 4},
    "g4dn": {"12xlarge": 4, "metal": 8},
    "g5": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "g6": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "g6e": {"12xlarge": 4, "24xlarge": 4, "48xlarge": 8},
    "gr6": {},
    "g7": {"12xlarge": 2, "24xlarge": 4, "48xlarge": 8},
    "g7e": {"12xlarge": 2, "24xlarge": 4, "48xlarge": 8},
}
_CUDA_CAPABILITIES: Final = {
    "p3": "7.0",
    "p3dn": "7.0",
    "g4dn": "7.5",
    "p4d": "8.0",
    "p4de": "8.0",
    "g5": "8.6",
    "g6": "8.9",
    "gr6": "8.9",
    "g6e": "8.9",
    "p5": "9.0",
    "p5e": "9.0",
    "p5en": "9.0",
    "p6-b200": "10.0",
    "p6-b300": "10.3",
    "p6e-gb200": "10.0",
    "g7": "12.0",
    "g7e": "12.0",
}
"""https://developer.nvidia.com/cuda-gpus"""
_EBS_ONLY_GPU_FAMILIES: Final = frozenset({"p3"})


def _family_and_size(instance_type: str) -> tuple[str, str]:
    family, _, size = instance_type.removeprefix("ml.").partition(".")
    return family, size


def gpus(instance_type: str) -> int:
    """Return the number of NVIDIA GPUs of an instance type; 0 for types without any."""
    family, size = _family_and_size(instance_type)
    sizes = _GPUS_BY_SIZE.get(family)
    return 0 if sizes is None else sizes.get(size, 1)


def cuda_capability(instance_type: str) -> str:
    """Return the CUDA compute capability of an instance type's GPUs; `0.0` if it has none."""
    family, _ = _family_and_size(instance_type)
    return _CUDA_CAPABILITIES.get(family, "0.0")


def has_local_nvme(instance_type: str) -> bool:
    """Whether a GPU instance type has its own instance store, so that VolumeSizeInGB does not apply."""
    family, _ = _family_and_size(instance_type)
    return family in _GPUS_BY_SIZE and family not in _EBS_ONLY_GPU_FAMILIES
