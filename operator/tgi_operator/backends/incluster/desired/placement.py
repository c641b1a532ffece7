"""Selection of the nodes on which pods run."""

from copy import deepcopy
from typing import Any

from tgi_operator.api.incluster import InCluster, TopologySpreadConstraint
from tgi_operator.api.spec import Spec
from tgi_operator.backends.incluster.desired import image, names
from tgi_operator.backends.incluster.desired.volumes import Volume
from tgi_operator.backends.incluster.kinds import Object
from tgi_operator.backends.incluster.seen.capacity import REQUIRED
from tgi_operator.backends.resource import Owner
from tgi_operator.engines.tgi import images
from tgi_operator.hardware.gpus import vendor
from tgi_operator.hardware.node_labels import Requirement, selections

_ARCHITECTURE = {"kubernetes.io/arch": "amd64"}
"""TGI's images are for this architecture only. There are nodes of another one with GPUs, such as EC2's g5g."""

_HOSTNAME = "kubernetes.io/hostname"
_DEFAULT_SPREAD = (TopologySpreadConstraint(topology_key=_HOSTNAME),)


def placement(spec: Spec, target: InCluster) -> Object:
    """Return the part of a PodSpec that selects nodes with GPUs: node selector and tolerations."""
    placed = requested(target) | {"tolerations": tolerations(target)}
    if not image.names_own(spec, target):
        placed["nodeSelector"] = _ARCHITECTURE | target.node_selector
    return placed


def requested(target: InCluster) -> Object:
    """Return the part of a PodSpec that selects the nodes as the spec names them, for a pod without GPUs."""
    spec: Object = {}
    if target.node_selector:
        spec["nodeSelector"] = dict(target.node_selector)
    if target.tolerations:
        spec["tolerations"] = tolerations(target)
    return spec


def spread(owner: Owner, target: InCluster) -> list[Object]:
    """Return the topology spread constraints of the spec, or by default a preference for different nodes.

    The default does not depend on the replica count, because scaling must not change the pod template. It has no
    constraint for zones: the scheduler then ignores all nodes that have no zone. Constraints in `podTemplate` replace
    the default.

    Pods of other revisions do not count, so that a rollout does not leave the new pods on the nodes that the old pods
    kept free. The Deployment controller sets the label, and all supported versions of Kubernetes know the field.
    """
    given = target.topology_spread_constraints
    if given is None:
        changed = target.pod_template.spec if target.pod_template else None
        given = () if changed and changed.topology_spread_constraints is not None else _DEFAULT_SPREAD
    counted = {"labelSelector": {"matchLabels": names.selector(owner)}, "matchLabelKeys": ["pod-template-hash"]}
    return [each.model_dump(by_alias=True) | counted for each in given]


def require_products(spec: Object, target: InCluster) -> None:
    """Require one of the GPU products in a PodSpec, in addition to the node affinity that it has.

    A node must match one of the terms, and all expressions of that term. Each term is therefore combined with each
    selection of the products.
    """
    if not target.gpu.products:
        return
    required = _field(spec, "affinity", "nodeAffinity", REQUIRED)
    terms: list[Object] = required.get("nodeSelectorTerms") or [{}]
    required["nodeSelectorTerms"] = [
        _combined(term, selection)
        for term in terms
        for selection in selections(target.gpu.products, target.node_selector)
    ]


def _combined(term: Object, selection: list[Requirement]) -> Object:
    """Return a term with more requirements. It shares no value, which `plan` would print as a YAML alias."""
    own = deepcopy(term)
    return own | {"matchExpressions": [*(own.get("matchExpressions") or ()), *selection]}


def bind_to_volume(metadata: Object, spec: Object, volume: Volume | None) -> None:
    """Keep a pod on the node of the other pods with the same volume, if only one node at a time can attach it.

    The first pod matches its own labels and can run on any node. That is true only if all required terms match the pod
    itself, so a required pod affinity in `podTemplate` is left unchanged.
    """
    if volume is None or not volume.of_one_node:
        return
    labels = names.volume_labels(volume.name)
    metadata["labels"] = metadata.get("labels", {}) | labels
    term = {"labelSelector": {"matchLabels": labels}, "topologyKey": _HOSTNAME}
    affinity = _field(spec, "affinity", "podAffinity")
    affinity[REQUIRED] = affinity.get(REQUIRED) or [term]


def _field(spec: Object, *path: str) -> Object:
    """Return a nested object of a PodSpec. It is created if it is missing and is not shared with any other PodSpec."""
    for name in path:
        spec[name] = dict(spec.get(name) or {})
        spec = spec[name]
    return spec


def tolerations(target: InCluster) -> list[Any]:
    """Return the tolerations of the spec, or by default one for the usual taint of GPU nodes.

    Nodes have the same taint regardless of whether their GPUs are whole, sliced or shared.
    """
    if target.tolerations is None:
        name = vendor(target.gpu.resource_name)
        key = f"{name}/gpu" if name in images.vendors() else target.gpu.resource_name
        usual = {"key": key, "operator": "Exists", "effect": "NoSchedule"}
        return [usual] if target.requested_gpus else []
    return [each.model_dump(by_alias=True, exclude_none=True) for each in target.tolerations]
