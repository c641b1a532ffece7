"""Selection of the nodes on which pods run."""

from tgi_operator.api.incluster import InCluster
from tgi_operator.backends.incluster.kinds import Object
from tgi_operator.backends.incluster.seen.capacity import LABEL_PRODUCT


def placement(target: InCluster) -> Object:
    """Return the part of a PodSpec that selects the nodes: selector, GPU products and tolerations."""
    spec: Object = {"tolerations": tolerations(target)}
    if target.node_selector:
        spec["nodeSelector"] = dict(target.node_selector)
    if target.gpu.products:
        wanted = {"key": LABEL_PRODUCT, "operator": "In", "values": sorted(target.gpu.products)}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}
        spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    return spec


def requested(target: InCluster) -> Object:
    """Return the part of a PodSpec that selects the nodes as the spec names them, for a pod without GPUs."""
    spec: Object = {}
    if target.node_selector:
        spec["nodeSelector"] = dict(target.node_selector)
    if target.tolerations:
        spec["tolerations"] = tolerations(target)
    return spec


def tolerations(target: InCluster) -> list[Object]:
    """Return the tolerations of the spec, or by default one for the usual taint of GPU nodes."""
    if target.tolerations is None:
        usual = {"key": target.gpu.resource_name, "operator": "Exists", "effect": "NoSchedule"}
        return [usual] if target.requested_gpus else []
    return [each.model_dump(by_alias=True, exclude_none=True) for each in target.tolerations]
