"""The node labels by which a GPU product can be selected, from data/labels.yaml."""

from collections.abc import Container, Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from tgi_operator.hardware.gpus import row

LABEL_PRODUCT = "nvidia.com/gpu.product"
"""The label of NVIDIA's GPU feature discovery."""

Requirement = dict[str, Any]
"""A NodeSelectorRequirement (core/v1)."""


@cache
def _labels() -> tuple[dict[str, Any], ...]:
    return tuple(yaml.safe_load(files(__package__).joinpath("data/labels.yaml").read_text()))


def selections(products: Iterable[str], chosen: Container[str] = ()) -> list[list[Requirement]]:
    """Return the requirements on the labels of a node with one of the GPU products. One of the lists must be met.

    Node autoscalers know only their own labels before a node exists. If a node has NVIDIA's label, that label decides,
    because the other ones do not show whether the GPU is sliced or shared. `chosen` are the labels by which the user
    selects nodes, possibly those with parts of GPUs.
    """
    wanted = sorted(products)
    found = [[_one_of(LABEL_PRODUCT, wanted)]]
    rows = [known for product in wanted if (known := row(product)) is not None]
    for label in _labels():
        whole = [key for key in label.get("whole", ()) if key not in chosen]
        found += [[_absent(LABEL_PRODUCT), *names, *map(_absent, whole)] for names in _names(label, rows)]
    return found


def _names(label: dict[str, Any], rows: list[dict[str, Any]]) -> list[list[Requirement]]:
    """Return the requirements on one label: a list for each amount of memory if the names do not show the memory."""
    column, memory = label["names"], label.get("memory")
    offered = [known for known in rows if column in known]
    found = []
    for amount in sorted({known["memoryMiB"] for known in offered}) if memory else [None]:
        same = [known[column] for known in offered if amount in (None, known["memoryMiB"])]
        names = sorted({name for each in same for name in ([each] if isinstance(each, str) else each)})
        if names:
            found.append([_one_of(label["label"], names), *([_one_of(memory, [str(amount)])] if memory else [])])
    return found


def _absent(key: str) -> Requirement:
    return {"key": key, "operator": "DoesNotExist"}


def _one_of(key: str, values: list[str]) -> Requirement:
    return {"key": key, "operator": "In", "values": values}
