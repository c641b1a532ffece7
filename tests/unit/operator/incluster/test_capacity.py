"""Whether a node has GPUs free for one more pod."""

from typing import Any

import pytest

from tgi_operator.backends.incluster.seen.capacity import Demand

GPU = "nvidia.com/gpu"
L4 = Demand(GPU, 2, {"pool": "gpu"}, ("NVIDIA-L4", "NVIDIA-L40S"), frozenset({GPU}))


def node(**changes: Any) -> dict[str, Any]:
    metadata = {"name": "gpu-1", "labels": {"pool": "gpu", "nvidia.com/gpu.product": "NVIDIA-L4"}}
    taints = [{"key": GPU, "effect": "NoSchedule"}]
    return {"metadata": metadata, "spec": {"taints": taints}, "status": {"allocatable": {GPU: "4"}}} | changes


def labelled(**labels: str) -> dict[str, Any]:
    return node(metadata={"name": "gpu-1", "labels": {"nvidia.com/gpu.product": "NVIDIA-L4", "pool": "gpu"} | labels})


def tainted(*taints: dict[str, str]) -> dict[str, Any]:
    return node(spec={"taints": list(taints)})


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(node(), id="as wanted"),
        pytest.param(node(spec={}), id="without taints"),
        pytest.param(node(spec={"unschedulable": False}), id="not cordoned"),
        pytest.param(tainted({"key": "spot", "effect": "PreferNoSchedule"}), id="with a taint that only prefers"),
        pytest.param(node(status={"allocatable": {GPU: "2"}}), id="with just enough"),
        pytest.param(node(status={"allocatable": {GPU: 8}}), id="with an amount that is a number"),
        pytest.param(labelled(zone="a"), id="with more labels"),
    ],
)
def test_node_suits(found: dict[str, Any]) -> None:
    assert L4.suits(found)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(node(spec={"unschedulable": True}), id="cordoned"),
        pytest.param(tainted({"key": "spot", "effect": "NoSchedule"}), id="with a taint that is not borne"),
        pytest.param(tainted({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}), id="that is not ready"),
        pytest.param(node(metadata={"name": "x"}), id="without labels"),
        pytest.param(labelled(pool="cpu"), id="of another pool"),
        pytest.param(labelled(**{"nvidia.com/gpu.product": "Tesla-T4"}), id="with another GPU"),
        pytest.param(node(status={"allocatable": {GPU: "1"}}), id="with too few GPUs in all"),
        pytest.param(node(status={"allocatable": {"amd.com/gpu": "4"}}), id="with GPUs of another kind"),
        pytest.param(node(status={"allocatable": {}}), id="without a GPU"),
        pytest.param(node(status={}), id="that has not said what it has"),
        pytest.param({"metadata": {"name": "x"}}, id="that has said nothing"),
    ],
)
def test_node_does_not_suit(found: dict[str, Any]) -> None:
    assert not L4.suits(found)


def test_any_product_and_every_taint() -> None:
    anything = Demand(GPU, 1, {}, (), frozenset({None}))
    assert anything.suits(labelled(**{"nvidia.com/gpu.product": "Tesla-T4"}))
    assert anything.suits(tainted({"key": "x", "effect": "NoExecute"}))


def test_pods_without_a_gpu_fit_any_node() -> None:
    nothing = Demand(GPU, 0, {}, (), frozenset())
    for found in (node(spec={}, status={}), node(spec={}, status={"allocatable": {GPU: "1"}})):
        assert nothing.suits(found)
        assert nothing.fits(found, [])


def pod(*gpus: str | int, phase: str = "Running", **spec: Any) -> dict[str, Any]:
    containers = [{"resources": {"limits": {GPU: count, "cpu": "1500m"}}} for count in gpus]
    return {"spec": {"containers": containers} | spec, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("pods", "fits"),
    [
        pytest.param([], True, id="no pods"),
        pytest.param([pod("2")], True, id="just enough left"),
        pytest.param([pod("2"), pod("1")], False, id="one too few"),
        pytest.param([pod("2", 1)], False, id="two containers of one pod"),
        pytest.param([pod("4", phase="Succeeded"), pod("4", phase="Failed")], True, id="pods that ended"),
        pytest.param([pod("1", phase="Pending"), pod("2")], False, id="a pod that starts"),
        pytest.param([{"spec": {"containers": [{}, {"resources": {}}]}}], True, id="pods without limits"),
        pytest.param([pod(), {"spec": {}}], True, id="pods without containers"),
    ],
)
def test_what_pods_leave(pods: list[dict[str, Any]], *, fits: bool) -> None:
    assert L4.fits(node(), pods) is fits
