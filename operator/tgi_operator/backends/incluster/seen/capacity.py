"""Whether the cluster has GPUs free for one more pod."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tgi_operator.backends.incluster.kinds import Object
from tgi_operator.backends.quantities import quantity

LABEL_PRODUCT = "nvidia.com/gpu.product"


@dataclass(frozen=True)
class Demand:
    """The needs of one more pod: `count` of a resource, on a node with these labels and one of these products."""

    resource: str
    count: int
    node_selector: Mapping[str, str]
    products: tuple[str, ...]
    tolerated: frozenset[str | None]
    """Keys of the tolerated taints, or None if all are tolerated."""

    @property
    def label_selector(self) -> str:
        """The labelSelector that lists only matching nodes, or an empty one if every node can match."""
        return ",".join(f"{name}={value}" for name, value in sorted(self.node_selector.items()))

    def suitable(self, node: Object) -> Object | None:
        """Return the relevant part of a matching node, or None if the node does not match."""
        if not self.suits(node):
            return None
        allocatable = {self.resource: node["status"]["allocatable"].get(self.resource)}
        return {"metadata": {"name": node["metadata"]["name"]}, "status": {"allocatable": allocatable}}

    def user(self, pod: Object) -> Object | None:
        """Return the relevant part of a pod that uses the resource, or None if it does not use it."""
        used = _used(pod, self.resource)
        return {"spec": {"containers": [{"resources": {"limits": {self.resource: used}}}]}} if used else None

    def suits(self, node: Object) -> bool:
        """Return whether the node matches, accepts pods, and has enough of the resource in total."""
        labels = node["metadata"].get("labels", {})
        spec = node.get("spec", {})
        taints = {taint["key"] for taint in spec.get("taints", ()) if taint.get("effect") != "PreferNoSchedule"}
        return (
            not spec.get("unschedulable", False)
            and (None in self.tolerated or taints <= self.tolerated)
            and all(labels.get(name) == value for name, value in self.node_selector.items())
            and (not self.products or labels.get(LABEL_PRODUCT) in self.products)
            and self._allocatable(node) >= self.count
        )

    def fits(self, node: Object, pods: Iterable[Object]) -> bool:
        """Return whether a matching node with those pods has enough of the resource left."""
        used = sum(_used(pod, self.resource) for pod in pods)
        return self._allocatable(node) - used >= self.count

    def _allocatable(self, node: Object) -> int:
        return _amount(node.get("status", {}).get("allocatable", {}).get(self.resource))


def _used(pod: Object, resource: str) -> int:
    if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    containers: list[dict[str, Any]] = pod["spec"].get("containers", [])
    return sum(_amount(each.get("resources", {}).get("limits", {}).get(resource)) for each in containers)


def _amount(text: Any) -> int:
    return int(quantity(str(text)) or 0) if text is not None else 0
