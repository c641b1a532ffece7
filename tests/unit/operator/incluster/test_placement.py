"""The nodes on which pods run, and the volumes that keep them on one node."""

from itertools import product
from typing import Any

import pytest

from tgi_operator.backends.incluster.desired import names, volumes
from tgi_operator.backends.incluster.seen.capacity import Demand
from unit.operator.incluster.given import CACHED, OWNER, desired, resource, spec, target

PRODUCTS = {"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-GeForce-RTX-4090"]}
RTX = {"gpu": {"products": ["NVIDIA-GeForce-RTX-4090"]}}
UNLABELLED = {"key": "nvidia.com/gpu.product", "operator": "DoesNotExist"}
ZONE = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a"]}
SPOT = {"key": "spot", "operator": "DoesNotExist"}
ONCE = {"cache": {"size": "1Gi", "accessMode": "ReadWriteOnce"}}


def pod(described: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = desired(described).template["spec"]
    return found


def with_affinity(affinity: dict[str, Any], **in_cluster: Any) -> dict[str, Any]:
    return spec(podTemplate={"spec": {"affinity": affinity}}, **in_cluster)


def required(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


@pytest.mark.parametrize(
    ("affinity", "terms"),
    [
        pytest.param({}, [[PRODUCTS]], id="none"),
        pytest.param(required({"matchExpressions": [ZONE]}), [[ZONE, PRODUCTS]], id="one term"),
        pytest.param(
            required({"matchExpressions": [ZONE]}, {"matchExpressions": [SPOT]}),
            [[ZONE, PRODUCTS], [SPOT, PRODUCTS]],
            id="two terms, one of which is enough",
        ),
    ],
)
def test_node_affinity_of_the_pod_template_is_combined_with_the_products(
    affinity: dict[str, Any], terms: list[list[dict[str, Any]]]
) -> None:
    found = pod(with_affinity(affinity, **RTX))["affinity"]["nodeAffinity"]
    required = found["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert [term["matchExpressions"] for term in required] == terms


def test_each_term_of_the_pod_template_is_combined_with_each_label() -> None:
    affinity = required({"matchExpressions": [ZONE]}, {"matchExpressions": [SPOT]})
    found = pod(with_affinity(affinity, gpu={"products": ["NVIDIA-L40S"]}))["affinity"]["nodeAffinity"]
    terms = found["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    keys = ["nvidia.com/gpu.product", "karpenter.k8s.aws/instance-gpu-name", "eks.amazonaws.com/instance-gpu-name"]
    for first, key in product([ZONE, SPOT], keys):
        assert any(
            term["matchExpressions"][0] == first and key in [each["key"] for each in term["matchExpressions"]]
            for term in terms
        )
    assert len(terms) == 6


def one_of(key: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": list(values)}


def aws(label: str, memory: str, *names: str) -> list[dict[str, Any]]:
    """Return the term for nodes of Karpenter or EKS Auto Mode."""
    return [UNLABELLED, one_of(f"{label}/instance-gpu-name", *names), one_of(f"{label}/instance-gpu-memory", memory)]


KARPENTER, AUTO_MODE = "karpenter.k8s.aws", "eks.amazonaws.com"


def gke(*names: str) -> list[dict[str, Any]]:
    """Return the term for nodes of GKE with whole GPUs."""
    parts = ("cloud.google.com/gke-gpu-partition-size", "cloud.google.com/gke-gpu-sharing-strategy")
    return [
        UNLABELLED,
        one_of("cloud.google.com/gke-accelerator", *names),
        *({"key": part, "operator": "DoesNotExist"} for part in parts),
    ]


@pytest.mark.parametrize(
    ("products", "others"),
    [
        pytest.param(
            ["NVIDIA-L4"],
            [aws(KARPENTER, "22888", "l4"), aws(AUTO_MODE, "22888", "l4"), gke("nvidia-l4")],
            id="of both clouds",
        ),
        pytest.param(
            ["NVIDIA-L40S"], [aws(KARPENTER, "45776", "l40s"), aws(AUTO_MODE, "45776", "l40s")], id="of AWS only"
        ),
        pytest.param(
            ["NVIDIA-A100-SXM4-40GB", "NVIDIA-H100-80GB-HBM3"],
            [
                aws(KARPENTER, "40960", "a100"),
                aws(KARPENTER, "81920", "h100"),
                aws(AUTO_MODE, "40960", "a100"),
                aws(AUTO_MODE, "81920", "h100"),
                gke("nvidia-h100-80gb", "nvidia-h100-mega-80gb", "nvidia-tesla-a100"),
            ],
            id="no A100 with 80 GB, which has the same name on AWS",
        ),
        pytest.param(
            ["NVIDIA-A10G", "NVIDIA-GeForce-RTX-4090", "NVIDIA-L4"],
            [aws(KARPENTER, "22888", "a10g", "l4"), aws(AUTO_MODE, "22888", "a10g", "l4"), gke("nvidia-l4")],
            id="those known of some",
        ),
        pytest.param(["NVIDIA-GeForce-RTX-4090"], [], id="of no cloud"),
        pytest.param(["NVIDIA-L40"], [], id="one named alike"),
        pytest.param(["NVIDIA-L4-SHARED"], [], id="shared, which other labels do not show"),
        pytest.param(["NVIDIA-A100-SXM4-40GB-MIG-3g.20gb"], [], id="a slice, which other labels do not show"),
    ],
)
def test_labels_of_node_autoscalers_select_the_same_products(
    products: list[str], others: list[list[dict[str, Any]]]
) -> None:
    found = pod(spec(gpu={"products": products}))["affinity"]["nodeAffinity"]
    terms = found["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert [term["matchExpressions"] for term in terms] == [[one_of("nvidia.com/gpu.product", *products)], *others]


def test_gke_label_for_parts_of_gpus_that_the_spec_selects_is_not_excluded() -> None:
    size = "cloud.google.com/gke-gpu-partition-size"
    described = spec(gpu={"products": ["NVIDIA-L4"]}, nodeSelector={size: "1g.5gb"})
    affinity = pod(described)["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    rest = [each for each in gke("nvidia-l4") if each["key"] != size]
    assert affinity["nodeSelectorTerms"][-1]["matchExpressions"] == rest


@pytest.mark.parametrize(
    ("labels", "suits"),
    [
        pytest.param({"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB"}, True, id="NVIDIA's"),
        pytest.param(
            {"karpenter.k8s.aws/instance-gpu-name": "a100", "karpenter.k8s.aws/instance-gpu-memory": "40960"},
            True,
            id="Karpenter's, before NVIDIA's",
        ),
        pytest.param(
            {"karpenter.k8s.aws/instance-gpu-name": "a100", "karpenter.k8s.aws/instance-gpu-memory": "81920"},
            False,
            id="Karpenter's for the A100 with 80 GB",
        ),
        pytest.param({"cloud.google.com/gke-accelerator": "nvidia-tesla-a100"}, True, id="GKE's"),
        pytest.param(
            {
                "cloud.google.com/gke-accelerator": "nvidia-tesla-a100",
                "cloud.google.com/gke-gpu-partition-size": "1g.5gb",
            },
            False,
            id="GKE's for slices",
        ),
        pytest.param(
            {
                "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb",
                "karpenter.k8s.aws/instance-gpu-name": "a100",
                "karpenter.k8s.aws/instance-gpu-memory": "40960",
            },
            False,
            id="NVIDIA's decides: slices",
        ),
        pytest.param({}, False, id="none"),
    ],
)
def test_node_that_suits_has_the_gpus_by_any_label(labels: dict[str, str], *, suits: bool) -> None:
    demand = Demand.of(desired(spec(gpu={"products": ["NVIDIA-A100-SXM4-40GB"]})).template)
    allocatable = {"nvidia.com/gpu": "8", "cpu": "96", "memory": "1Ti", "ephemeral-storage": "100Gi", "pods": "110"}
    metadata = {"name": "gpu-1", "labels": {"kubernetes.io/arch": "amd64"} | labels}
    assert demand.suits({"metadata": metadata, "status": {"allocatable": allocatable}}) is suits


IMAGE = {"runtime": {"image": "registry.local/tgi:arm64"}}
OVERLAY = {"spec": {"containers": [{"name": "tgi", "image": "registry.local/tgi:arm64"}]}}


@pytest.mark.parametrize(
    ("described", "selector"),
    [
        pytest.param(spec(), {"kubernetes.io/arch": "amd64"}, id="TGI's image"),
        pytest.param(spec(nodeSelector={"a": "b"}), {"kubernetes.io/arch": "amd64", "a": "b"}, id="beside others"),
        pytest.param(
            spec(nodeSelector={"kubernetes.io/arch": "arm64"}), {"kubernetes.io/arch": "arm64"}, id="another one"
        ),
        pytest.param(spec(IMAGE), None, id="an own image"),
        pytest.param(spec(IMAGE, nodeSelector={"a": "b"}), {"a": "b"}, id="an own image on some nodes"),
        pytest.param(spec(podTemplate=OVERLAY), None, id="an own image in podTemplate"),
        pytest.param(
            spec(podTemplate={"spec": {"containers": [{"name": "proxy", "image": "x"}]}}),
            {"kubernetes.io/arch": "amd64"},
            id="the image of another container",
        ),
    ],
)
def test_architecture_is_that_of_the_image(described: dict[str, Any], selector: dict[str, str] | None) -> None:
    assert pod(described).get("nodeSelector") == selector


def test_preferred_affinity_stays_beside_the_products() -> None:
    preferred = [{"weight": 1, "preference": {"matchExpressions": [ZONE]}}]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    found = pod(with_affinity(affinity, **RTX))["affinity"]["nodeAffinity"]
    assert found["preferredDuringSchedulingIgnoredDuringExecution"] == preferred
    assert "requiredDuringSchedulingIgnoredDuringExecution" in found


def test_pods_and_job_with_a_volume_of_one_node_run_on_the_same_node() -> None:
    wanted = desired(spec(**ONCE))
    assert wanted.job is not None
    labels = names.volume_labels("zephyr-7b-weights")
    term = {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    for template in (wanted.template, wanted.job["spec"]["template"]):
        assert labels.items() <= template["metadata"]["labels"].items()
        affinity = template["spec"]["affinity"]["podAffinity"]
        assert affinity["requiredDuringSchedulingIgnoredDuringExecution"] == [term]


def test_required_pod_affinity_of_the_pod_template_stays_as_it_is() -> None:
    """The first pod would have to match both terms itself."""
    near = {"labelSelector": {"matchLabels": {"app": "x"}}, "topologyKey": "topology.kubernetes.io/zone"}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [near]}}
    found = pod(with_affinity(affinity, **ONCE))["affinity"]["podAffinity"]
    assert found["requiredDuringSchedulingIgnoredDuringExecution"] == [near]


@pytest.mark.parametrize("described", [spec(), spec(**CACHED), spec(cache={"claimName": "shared"})])
def test_other_pods_may_run_anywhere(described: dict[str, Any]) -> None:
    wanted = desired(described)
    assert "affinity" not in wanted.template["spec"]
    assert names.LABEL_VOLUME not in wanted.template["metadata"]["labels"]


@pytest.mark.parametrize(
    ("described", "modes", "name", "of_one_node"),
    [
        (spec(**CACHED), (), "zephyr-7b-weights", False),
        (spec(**ONCE), (), "zephyr-7b-weights", True),
        (spec(cache={"claimName": "shared"}), (), "shared", False),
        (spec(cache={"claimName": "shared"}), ("ReadWriteOnce",), "shared", True),
        (spec(cache={"claimName": "shared"}), ("ReadWriteOncePod",), "shared", True),
        (spec(cache={"claimName": "shared"}), ("ReadWriteOnce", "ReadWriteMany"), "shared", False),
        (spec({"model": {"uri": "pvc://models/x"}}), ("ReadOnlyMany",), "models", False),
        (spec({"model": {"uri": "pvc://models/x"}}), ("ReadWriteOnce",), "models", True),
    ],
)
def test_volume_of_one_node(described: dict[str, Any], modes: tuple[str, ...], name: str, *, of_one_node: bool) -> None:
    read = resource(described)
    assert read.spec is not None
    found = volumes.volume(OWNER, read.spec.model, target(read), modes)
    assert found is not None
    assert (found.name, found.of_one_node) == (name, of_one_node)
