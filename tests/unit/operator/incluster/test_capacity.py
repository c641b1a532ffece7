"""Whether one more pod fits on a node, or in the place of an old pod."""

from decimal import Decimal
from typing import Any

import pytest

from tgi_operator.backends.incluster.seen.capacity import Demand, Node, Room, Tenant, limits, requests, room

GPU = "nvidia.com/gpu"
PRODUCT = "nvidia.com/gpu.product"


def containers(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"containers": [{"name": f"c{number}", "resources": each} for number, each in enumerate(resources)]}


def demand(gpus: int = 2, **spec: Any) -> Demand:
    pod = containers({"limits": {GPU: str(gpus)}, "requests": {"memory": "10Gi"}})
    wanted = {"key": PRODUCT, "operator": "In", "values": ["NVIDIA-L4", "NVIDIA-L40S"]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}
    products = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    tolerations = [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]
    usual = {"nodeSelector": {"pool": "gpu"}, "affinity": products, "tolerations": tolerations}
    return Demand.of({"spec": pod | usual | spec})


def node(name: str = "gpu-1", **changes: Any) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"pool": "gpu", PRODUCT: "NVIDIA-L4"}}
    taints = [{"key": GPU, "effect": "NoSchedule"}]
    allocatable = {GPU: "4", "memory": "32Gi", "pods": "110"}
    return {"metadata": metadata, "spec": {"taints": taints}, "status": {"allocatable": allocatable}} | changes


def labelled(**labels: str) -> dict[str, Any]:
    return node(metadata={"name": "gpu-1", "labels": {PRODUCT: "NVIDIA-L4", "pool": "gpu"} | labels})


def tainted(*taints: dict[str, str]) -> dict[str, Any]:
    return node(spec={"taints": list(taints)})


def offering(**amounts: Any) -> dict[str, Any]:
    return node(status={"allocatable": {GPU: "4", "memory": "32Gi", "pods": "110"} | amounts})


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(node(), id="as wanted"),
        pytest.param(node(spec={}), id="without taints"),
        pytest.param(node(spec={"unschedulable": False}), id="not cordoned"),
        pytest.param(tainted({"key": "spot", "effect": "PreferNoSchedule"}), id="with a taint that only prefers"),
        pytest.param(offering(**{GPU: "2"}), id="with just enough GPUs"),
        pytest.param(offering(**{GPU: 8}), id="with an amount that is a number"),
        pytest.param(offering(memory="10Gi"), id="with just enough memory"),
        pytest.param(labelled(zone="a"), id="with more labels"),
    ],
)
def test_node_suits(found: dict[str, Any]) -> None:
    assert demand().suits(found)
    assert demand().suitable(found) is not None


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(node(spec={"unschedulable": True}), id="cordoned"),
        pytest.param(tainted({"key": "spot", "effect": "NoSchedule"}), id="with a taint that is not tolerated"),
        pytest.param(tainted({"key": GPU, "effect": "NoExecute"}), id="with another effect of a tolerated taint"),
        pytest.param(tainted({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}), id="that is not ready"),
        pytest.param(node(metadata={"name": "x"}), id="without labels"),
        pytest.param(labelled(pool="cpu"), id="of another pool"),
        pytest.param(labelled(**{PRODUCT: "Tesla-T4"}), id="with another GPU"),
        pytest.param(offering(**{GPU: "1"}), id="with too few GPUs in all"),
        pytest.param(offering(memory="9Gi"), id="with too little memory in all"),
        pytest.param(node(status={"allocatable": {"amd.com/gpu": "4"}}), id="with GPUs of another kind"),
        pytest.param(node(status={"allocatable": {}}), id="without a GPU"),
        pytest.param(node(status={}), id="that has reported nothing allocatable"),
        pytest.param({"metadata": {"name": "x"}}, id="that has reported nothing"),
    ],
)
def test_node_does_not_suit(found: dict[str, Any]) -> None:
    assert not demand().suits(found)
    assert demand().suitable(found) is None


@pytest.mark.parametrize(
    ("toleration", "taint", "tolerated"),
    [
        ({"operator": "Exists"}, {"key": "a", "effect": "NoExecute"}, True),
        ({"key": "a", "operator": "Exists"}, {"key": "a", "value": "b", "effect": "NoSchedule"}, True),
        ({"key": "a", "value": "b"}, {"key": "a", "value": "b", "effect": "NoSchedule"}, True),
        ({"key": "a", "value": "c"}, {"key": "a", "value": "b", "effect": "NoSchedule"}, False),
        ({"key": "a"}, {"key": "a", "effect": "NoSchedule"}, True),
        ({"key": "b", "operator": "Exists"}, {"key": "a", "effect": "NoSchedule"}, False),
    ],
)
def test_tolerations(toleration: dict[str, str], taint: dict[str, str], tolerated: bool) -> None:
    assert demand(tolerations=[toleration]).suits(tainted(taint)) is tolerated


@pytest.mark.parametrize(
    ("requirement", "matches"),
    [
        ({"key": "pool", "operator": "In", "values": ["cpu", "gpu"]}, True),
        ({"key": "pool", "operator": "NotIn", "values": ["gpu"]}, False),
        ({"key": "zone", "operator": "NotIn", "values": ["a"]}, True),
        ({"key": "pool", "operator": "Exists"}, True),
        ({"key": "zone", "operator": "Exists"}, False),
        ({"key": "zone", "operator": "DoesNotExist"}, True),
        ({"key": "size", "operator": "Gt", "values": ["3"]}, True),
        ({"key": "size", "operator": "Gt", "values": ["4"]}, False),
        ({"key": "size", "operator": "Lt", "values": ["5"]}, True),
        ({"key": "pool", "operator": "Lt", "values": ["5"]}, False),
        ({"key": "zone", "operator": "Lt", "values": ["5"]}, False),
    ],
)
def test_node_affinity(requirement: dict[str, Any], matches: bool) -> None:
    def of(*terms: dict[str, Any]) -> Demand:
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
        return demand(affinity={"nodeAffinity": required})

    found = labelled(size="4")
    assert of({"matchExpressions": [requirement]}).suits(found) is matches
    assert of({}, {"matchExpressions": [requirement]}).suits(found) is matches, "an empty term matches no node"
    named = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["gpu-1"]}]}
    assert of({"matchExpressions": [requirement]}, named).suits(found), "one term is enough"
    assert of({"matchExpressions": [requirement]} | named).suits(found) is matches, "all of a term are needed"


def test_pods_without_a_gpu_fit_any_node() -> None:
    nothing = Demand.of({"spec": {"containers": [{"name": "tgi"}]}})
    for found in (node(spec={}), node(spec={}, status={"allocatable": {"pods": "110"}})):
        assert nothing.suits(found)


def tenant(gpus: int, uid: str = "other", memory: str = "1Gi") -> Tenant:
    return Tenant(uid, requests(containers({"limits": {GPU: gpus}, "requests": {"memory": memory}})))


OLD = tenant(4, "old", "20Gi")


def occupied(tenants: dict[str, list[Tenant]], old: dict[str, str]) -> dict[str, Node]:
    """Return suitable nodes with these pods."""
    nodes = {}
    for name, there in tenants.items():
        suitable = demand().suitable(node(name))
        assert suitable is not None
        nodes[name] = Node.of(suitable)
        for each in there:
            nodes[name].add(each, old)
    return nodes


@pytest.mark.parametrize(
    ("tenants", "old", "expected"),
    [
        pytest.param({"a": []}, {}, Room.FREE, id="an empty node"),
        pytest.param({"a": [tenant(2)]}, {}, Room.FREE, id="just enough left"),
        pytest.param({"a": [OLD], "b": []}, {"old": "a"}, Room.FREE, id="another node has room"),
        pytest.param({"a": [tenant(3)]}, {}, Room.NONE, id="one GPU too few"),
        pytest.param({"a": [tenant(1), tenant(2, "x")]}, {}, Room.NONE, id="two pods use too many"),
        pytest.param({"a": [tenant(0, memory="23Gi")]}, {}, Room.NONE, id="too little memory left"),
        pytest.param({}, {"old": "a"}, Room.NONE, id="no node suits"),
        pytest.param({"b": [tenant(4)]}, {"old": "a"}, Room.NONE, id="the node of the old pod does not suit"),
        pytest.param({"a": [OLD]}, {"old": "a"}, Room.TAKEN, id="the old pod uses what the new pod needs"),
        pytest.param({"a": [OLD, tenant(0, memory="11Gi")]}, {"old": "a"}, Room.TAKEN, id="and just enough is left"),
        pytest.param({"a": [OLD, tenant(0, memory="30Gi")]}, {"old": "a"}, Room.NONE, id="others use the memory"),
        pytest.param({"a": [tenant(1, "old"), tenant(3)]}, {"old": "a"}, Room.NONE, id="the old pod uses too little"),
        pytest.param(
            {"a": [OLD], "b": [tenant(1, "small"), tenant(3)]},
            {"old": "a", "small": "b"},
            Room.NONE,
            id="the Deployment may end the pod that does not help",
        ),
    ],
)
def test_room(tenants: dict[str, list[Tenant]], old: dict[str, str], expected: Room) -> None:
    assert room(demand(), occupied(tenants, old), old) is expected


@pytest.mark.parametrize(
    ("tenants", "old", "expected"),
    [
        pytest.param({"a": [OLD], "b": []}, {"old": "a"}, Room.TAKEN, id="in the place of the old pod"),
        pytest.param({"b": []}, {"old": "a"}, Room.NONE, id="another node cannot attach the volume yet"),
        pytest.param({"a": [], "b": []}, {}, Room.NONE, id="no old pod"),
    ],
)
def test_room_on_the_node_of_a_volume(tenants: dict[str, list[Tenant]], old: dict[str, str], expected: Room) -> None:
    assert room(demand(), occupied(tenants, old), old, bound=True) is expected


def test_node_has_the_same_size_however_many_pods_it_has() -> None:
    (found,) = occupied({"a": [tenant(0, str(number), "1Mi") for number in range(100)]}, {}).values()
    assert found == Node({GPU: Decimal(4), "memory": Decimal(32 * 2**30 - 100 * 2**20), "pods": Decimal(10)})


def test_pods_that_have_ended_use_nothing() -> None:
    spec = containers({"limits": {GPU: "4"}}) | {"nodeName": "gpu-1"}
    for phase, kept in [("Succeeded", False), ("Failed", False), ("Pending", True), ("Running", True)]:
        pod = {"metadata": {"uid": "u", "labels": {}}, "spec": spec, "status": {"phase": phase}}
        found = Tenant.reduce(pod, {"gpu-1"})
        assert Tenant.reduce(pod, {"gpu-2"}) is None
        assert (found is not None) is kept
        assert found is None or Tenant.of(found).requests[GPU] == 4


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param(containers({}, {"limits": {"cpu": "1"}}), {"cpu": 1}, id="a limit is the request"),
        pytest.param(
            containers({"requests": {"cpu": "500m"}, "limits": {"cpu": "2"}}, {"requests": {"cpu": "1"}}),
            {"cpu": Decimal("1.5")},
            id="containers run together",
        ),
        pytest.param(
            containers({"requests": {"cpu": "1"}}) | {"initContainers": [{"resources": {"requests": {"cpu": "3"}}}]},
            {"cpu": 3},
            id="an init container needs more",
        ),
        pytest.param(
            containers({"requests": {"cpu": "1"}})
            | {
                "initContainers": [
                    {"restartPolicy": "Always", "resources": {"requests": {"cpu": "2"}}},
                    {"resources": {"requests": {"cpu": "2"}}},
                ]
            },
            {"cpu": 4},
            id="an init container beside a sidecar",
        ),
        pytest.param(
            containers({"requests": {"cpu": "1"}}) | {"overhead": {"cpu": "250m"}},
            {"cpu": Decimal("1.25")},
            id="overhead of the runtime class",
        ),
    ],
)
def test_requests_of_a_pod(spec: dict[str, Any], expected: dict[str, Any]) -> None:
    assert requests(spec) == expected | {"pods": 1}


def test_limits_of_a_pod() -> None:
    assert limits(containers({"requests": {"cpu": 1}, "limits": {"cpu": "2"}}, {"limits": {"cpu": "1"}})) == {"cpu": 3}
