"""The nodes on which pods run, and the volumes that keep them on one node."""

from typing import Any

import pytest

from tgi_operator.backends.incluster.desired import names, volumes
from unit.operator.incluster.given import CACHED, OWNER, desired, resource, spec, target

PRODUCTS = {"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-L4"]}
L4 = {"gpu": {"products": ["NVIDIA-L4"]}}
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
    found = pod(with_affinity(affinity, **L4))["affinity"]["nodeAffinity"]
    required = found["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert [term["matchExpressions"] for term in required] == terms


def test_preferred_affinity_stays_beside_the_products() -> None:
    preferred = [{"weight": 1, "preference": {"matchExpressions": [ZONE]}}]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    found = pod(with_affinity(affinity, **L4))["affinity"]["nodeAffinity"]
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
