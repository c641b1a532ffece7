"""Whether one more pod fits on a node now, or in the place of an old pod of the same resource."""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto
from typing import Any, Self

from tgi_operator.backends.incluster.kinds import Object
from tgi_operator.backends.incluster.seen.pods import is_over
from tgi_operator.backends.quantities import quantity

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
"""The field of each kind of affinity with the terms that must match (core/v1)."""

PODS = "pods"
"""The resource of which each pod takes one (core/v1 ResourcePods)."""

_NONE = Decimal(0)

Amounts = Mapping[str, Decimal]
"""Amounts by the name of the resource."""


class Room(Enum):
    """The room that the cluster has for one more pod."""

    FREE = auto()
    """A node has enough free capacity."""

    TAKEN = auto()
    """No node has enough free capacity, but each old pod would free enough on its node."""

    NONE = auto()
    """Neither: the end of an old pod would not help."""

    UNREADABLE = auto()
    """The operator is not allowed to list the nodes or their pods."""


@dataclass(frozen=True)
class Demand:
    """The requests of one more pod, and the nodes on which it is allowed to run."""

    requests: Amounts
    node_selector: Mapping[str, str]
    terms: tuple[Object, ...]
    """The required NodeSelectorTerms of its node affinity, one of which must match; empty if there is none."""
    tolerations: tuple[Object, ...]

    @classmethod
    def of(cls, template: Object) -> Self:
        """Return the demand of a pod template."""
        spec = template["spec"]
        required = (spec.get("affinity", {}).get("nodeAffinity") or {}).get(REQUIRED) or {}
        return cls(
            requests(spec),
            spec.get("nodeSelector") or {},
            tuple(required.get("nodeSelectorTerms") or ()),
            tuple(spec.get("tolerations") or ()),
        )

    @property
    def label_selector(self) -> str:
        """The labelSelector that lists only matching nodes, or an empty one if every node can match."""
        return ",".join(f"{name}={value}" for name, value in sorted(self.node_selector.items()))

    def suitable(self, node: Object) -> Object | None:
        """Return the relevant part of a node on which the pod is allowed to run, or None for any other node."""
        if not self.suits(node):
            return None
        allocatable = node["status"]["allocatable"]
        relevant = {name: allocatable[name] for name in self.requests if name in allocatable}
        return {"metadata": {"name": node["metadata"]["name"]}, "status": {"allocatable": relevant}}

    def suits(self, node: Object) -> bool:
        """Return whether the pod is allowed to run on a node, and fits if no other pod runs there."""
        labels, spec = node["metadata"].get("labels") or {}, node.get("spec") or {}
        return (
            not spec.get("unschedulable", False)
            and all(self._tolerates(taint) for taint in spec.get("taints") or ())
            and all(labels.get(name) == value for name, value in self.node_selector.items())
            and (not self.terms or any(_matches(term, node, labels) for term in self.terms))
            and self.fits(_quantities((node.get("status") or {}).get("allocatable") or {}))
        )

    def fits(self, left: Amounts) -> bool:
        """Return whether these amounts are enough for the pod."""
        return all(left.get(name, _NONE) >= wanted for name, wanted in self.requests.items())

    def _tolerates(self, taint: Mapping[str, Any]) -> bool:
        return taint.get("effect") == "PreferNoSchedule" or any(
            each.get("key") in (None, "", taint["key"])
            and each.get("effect") in (None, "", taint.get("effect"))
            and (each.get("operator") == "Exists" or (each.get("value") or "") == (taint.get("value") or ""))
            for each in self.tolerations
        )


@dataclass(frozen=True)
class Tenant:
    """A pod on a node: its uid and requests."""

    uid: str
    requests: Amounts

    @classmethod
    def of(cls, pod: Object) -> Self:
        """Return the tenant for a pod."""
        return cls(str(pod["metadata"]["uid"]), requests(pod["spec"]))

    @staticmethod
    def reduce(pod: Object, nodes: Container[str]) -> Object | None:
        """Return the relevant part of a pod on one of the nodes, or None for any other or one that uses nothing."""
        node = pod["spec"].get("nodeName")
        if node not in nodes or is_over(pod):
            return None
        spec = {name: pod["spec"][name] for name in ("containers", "initContainers", "overhead") if name in pod["spec"]}
        for name in ("containers", "initContainers"):
            if name in spec:
                spec[name] = [
                    {field: each[field] for field in ("resources", "restartPolicy") if field in each}
                    for each in spec[name]
                ]
        return {"metadata": {"uid": pod["metadata"]["uid"]}, "spec": {"nodeName": node, **spec}}


@dataclass
class Node:
    """A suitable node: what its pods leave of each requested amount, and what each old pod there would free.

    It has the same size regardless of the number of its pods.
    """

    left: dict[str, Decimal]
    freed: dict[str, Amounts] = field(default_factory=dict)

    @classmethod
    def of(cls, node: Object) -> Self:
        """Return a node without any pods from the relevant part of a Node."""
        return cls(_quantities(node["status"]["allocatable"]))

    def add(self, tenant: Tenant, old: Container[str]) -> None:
        """Add a pod that runs on the node. `old` are the uids of the old pods."""
        used = {name: amount for name, amount in tenant.requests.items() if name in self.left}
        for name, amount in used.items():
            self.left[name] -= amount
        if tenant.uid in old:
            self.freed[tenant.uid] = used


def room(demand: Demand, nodes: Mapping[str, Node], old: Mapping[str, str], *, bound: bool = False) -> Room:
    """Return the room for one more pod.

    `nodes` are the suitable nodes by name. `old` are the nodes of the old pods, by uid. With `bound`, the pod must run
    on the node of the old pods, and not beside them, because of their volume.
    """
    if not bound and any(demand.fits(node.left) for node in nodes.values()):
        return Room.FREE
    return Room.TAKEN if old and all(_frees(demand, nodes, *each) for each in old.items()) else Room.NONE


def _frees(demand: Demand, nodes: Mapping[str, Node], uid: str, name: str) -> bool:
    """Return whether the pod fits on a node once the pod with that uid has ended there."""
    node = nodes.get(name)
    return node is not None and demand.fits(_sum((node.left, node.freed.get(uid, {}))))


def requests(spec: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return the effective requests of a PodSpec, as the scheduler counts them, plus 1 of the resource `pods`.

    If there is no request, the limit is used instead.
    """
    return _effective(spec, lambda resources: resources.get("limits", {}) | resources.get("requests", {})) | {
        PODS: Decimal(1)
    }


def limits(spec: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return the effective limits of a PodSpec."""
    return _effective(spec, lambda resources: resources.get("limits", {}))


def _effective(spec: Mapping[str, Any], amounts: Callable[[dict[str, Any]], Mapping[str, Any]]) -> dict[str, Decimal]:
    """Return what a pod needs: all containers and sidecars, or an init container beside the sidecars before it.

    See PodRequests in kubernetes staging/src/k8s.io/component-helpers/resource.
    """

    def of(container: Mapping[str, Any]) -> dict[str, Decimal]:
        return _quantities(amounts(container.get("resources") or {}))

    sidecars: dict[str, Decimal] = {}
    peaks: list[Amounts] = []
    for each in spec.get("initContainers") or ():
        together = _sum((sidecars, of(each)))
        peaks.append(together)
        if each.get("restartPolicy") == "Always":
            sidecars = together
    peaks.append(_sum((*map(of, spec.get("containers") or ()), sidecars)))
    names = {name for each in peaks for name in each}
    overhead = _quantities(spec.get("overhead") or {})
    return _sum(({name: max(each.get(name, _NONE) for each in peaks) for name in names}, overhead))


def _quantities(amounts: Mapping[str, Any]) -> dict[str, Decimal]:
    return {name: _amount(value) for name, value in amounts.items()}


def _sum(amounts: Iterable[Amounts]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for each in amounts:
        for name, amount in each.items():
            total[name] = total.get(name, _NONE) + amount
    return total


def _amount(value: Any) -> Decimal:
    return (quantity(str(value)) or _NONE) if value is not None else _NONE


def _matches(term: Object, node: Object, labels: Mapping[str, str]) -> bool:
    """Return whether a NodeSelectorTerm matches a node. One without requirements matches no node."""
    fields = {"metadata.name": node["metadata"]["name"]}
    wanted = [(labels, each) for each in term.get("matchExpressions") or ()]
    wanted += [(fields, each) for each in term.get("matchFields") or ()]
    return bool(wanted) and all(_meets(values, requirement) for values, requirement in wanted)


def _meets(found: Mapping[str, str], requirement: Object) -> bool:
    """Return whether labels meet a NodeSelectorRequirement (core/v1)."""
    value, values = found.get(requirement["key"]), requirement.get("values") or ()
    match requirement["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case operator:
            amount, limit = _integer(value), _integer(values[0] if values else None)
            if amount is None or limit is None:
                return False
            return amount > limit if operator == "Gt" else amount < limit


def _integer(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None
