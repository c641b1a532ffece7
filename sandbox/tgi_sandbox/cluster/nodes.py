"""Node objects shaped as EC2 instance types, for KWOK to keep Ready."""

from functools import cache
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import yaml

from tgi_sandbox.cluster.build import kubernetes_version

KUBELET_PORT = 10250

_TYPES = Path(__file__).with_name("nodes.yaml")
# Outside the service range. Only the sandbox's network can reach these addresses.
_NODE_ADDRESSES = IPv4Address("10.0.0.0")
_POD_ADDRESSES = IPv4Address("10.128.0.0")
# Many more than a node's 110 pods: no address is used twice, and KWOK ignores where a range ends.
_POD_PREFIX = 20
# KWOK gives the address of a deleted pod to the next pod at once, and the next pod's clients would still reach the
# process of the deleted one. A CNI plugin waits (the AWS VPC CNI 30 s). KWOK returns an address only to the range at
# the same index, so it never gets back an address of the second range, and all pods have theirs from there.
_UNUSED_ADDRESSES = IPv6Address("fd00::")
_UNUSED_PREFIX = 112


def build_node(name: str, instance_type: str, zone: str = "us-east-1a", number: int = 1) -> dict[str, Any]:
    """Return a Node of an instance type; all resources of the instance are allocatable.

    Its `number` makes its addresses, and those of its pods, different from other nodes'.
    """
    types = _instance_types()
    if instance_type not in types:
        raise ValueError(f"{instance_type} is not one of the sandbox's node types: {', '.join(types)}")
    shape = types[instance_type]
    resources = {"cpu": str(shape["cpu"]), "memory": shape["memory"], "pods": "110", "ephemeral-storage": "100Gi"}
    labels = {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "kubernetes.io/hostname": name,
        "node.kubernetes.io/instance-type": instance_type,
        "topology.kubernetes.io/region": zone[:-1],
        "topology.kubernetes.io/zone": zone,
    }
    if "gpu" in shape:
        count = str(shape["gpu"]["count"])
        resources["nvidia.com/gpu"] = count
        # The labels of NVIDIA's GPU feature discovery.
        labels |= {
            "nvidia.com/gpu.present": "true",
            "nvidia.com/gpu.count": count,
            "nvidia.com/gpu.product": shape["gpu"]["product"],
            "nvidia.com/gpu.memory": str(shape["gpu"]["memoryMiB"]),
        }
    unused = f"{_UNUSED_ADDRESSES + (number << (128 - _UNUSED_PREFIX))}/{_UNUSED_PREFIX}"
    pods = f"{_POD_ADDRESSES + (number << (32 - _POD_PREFIX))}/{_POD_PREFIX}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "spec": {"podCIDR": unused, "podCIDRs": [unused, pods]},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "addresses": [
                {"type": "InternalIP", "address": str(_NODE_ADDRESSES + number)},
                {"type": "Hostname", "address": name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
            "nodeInfo": _node_info(),
        },
    }


@cache
def _instance_types() -> dict[str, Any]:
    types: dict[str, Any] = yaml.safe_load(_TYPES.read_text())
    return types


def _node_info() -> dict[str, str]:
    unknown = dict.fromkeys(("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "kubeProxyVersion"), "")
    return unknown | {
        "architecture": "amd64",
        "operatingSystem": "linux",
        "containerRuntimeVersion": "kwok://simulated",
        "kubeletVersion": kubernetes_version(),
    }
