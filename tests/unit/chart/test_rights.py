"""The permissions of the operator and of a cluster's users."""

from collections.abc import Iterator
from typing import Any

import pytest

from unit.chart.given import EVERYTHING
from unit.chart.rendering import Object, kinds, of, rendered


def _rules(items: list[Object], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in kinds(items, kind):
        rules = (rule for rule in item["rules"] if "resources" in rule)
        yield from ((item["metadata"].get("namespace", ""), rule) for rule in rules)


def test_with_namespaces_no_secret_is_read_elsewhere(everything: list[Object]) -> None:
    for clusterwide in (rendered({"watchNamespaces": ["ml", "dev"]}), everything):
        rules = list(_rules(clusterwide, "ClusterRole"))
        assert not [rule for _, rule in rules if {"secrets", "*"} & {*rule["resources"], *rule["apiGroups"]}]
        readers = {namespace for namespace, rule in _rules(clusterwide, "Role") if "secrets" in rule["resources"]}
        assert readers == {"ml", "dev"}
    bound = {item["metadata"]["namespace"] for item in kinds(everything, "RoleBinding")}
    assert bound == {"dev", "ml", "tgi-system"}


def test_with_namespaces_only_what_belongs_to_none_is_granted_in_all() -> None:
    granted = of(rendered({"watchNamespaces": ["ml"]}), "ClusterRole")["rules"]
    assert [rule["resources"] for rule in granted] == [["namespaces"], ["nodes"], ["tgiendpoints"]]
    granted = of(rendered(EVERYTHING), "ClusterRole")["rules"]
    assert [(rule["resources"], rule["verbs"]) for rule in granted] == [
        (["nodes"], ["list"]),
        (["tgiendpoints"], ["list", "watch", "patch"]),
        (["tokenreviews"], ["create"]),
        (["subjectaccessreviews"], ["create"]),
        (["pods"], ["list"]),
    ]


def test_finalizer_can_be_removed_where_the_rights_in_the_namespace_are_gone_already() -> None:
    items = rendered({"watchNamespaces": ["ml"]})
    verbs = {
        verb
        for _, rule in _rules([of(items, "ClusterRole")], "ClusterRole")
        if rule["resources"] == ["tgiendpoints"]
        for verb in rule["verbs"]
    }
    assert verbs == {"list", "watch", "patch"}
    assert of(items, "ClusterRoleBinding")["roleRef"]["name"] == of(items, "ClusterRole")["metadata"]["name"]


def test_a_namespace_watched_grants_what_all_of_them_would() -> None:
    everywhere = of(rendered(), "ClusterRole")["rules"]
    items = rendered({"watchNamespaces": ["ml"]})
    within = of(items, "Role", namespace="ml")["rules"]
    beside = of(items, "ClusterRole")["rules"]
    assert sorted(map(str, everywhere)) == sorted(map(str, [*within, *beside]))


def test_the_lease_is_that_of_the_operators_namespace_only(everything: list[Object]) -> None:
    for items in (rendered(), everything):
        role = of(items, "Role", "tgi-operator-lease", "tgi-system")
        assert [(rule.get("resourceNames"), rule["verbs"]) for rule in role["rules"]] == [
            (None, ["create"]),
            (["tgi-operator"], ["get", "update"]),
        ]
        holders = [
            namespace
            for kind in ("Role", "ClusterRole")
            for namespace, rule in _rules(items, kind)
            if "leases" in rule["resources"]
        ]
        assert set(holders) == {"tgi-system"}


def test_users_get_what_their_roles_in_the_cluster_promise() -> None:
    items = rendered()
    verbs = {
        role: {
            (resource, verb)
            for rule in of(items, "ClusterRole", f"tgi-operator-{role}")["rules"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
        for role in ("view", "edit")
    }
    assert {verb for _, verb in verbs["view"]} == {"get", "list", "watch"}
    assert {resource for resource, _ in verbs["edit"]} == {"tgiendpoints", "tgiendpoints/scale"}
    for role in verbs:
        labels = of(items, "ClusterRole", f"tgi-operator-{role}")["metadata"]["labels"]
        assert labels[f"rbac.authorization.k8s.io/aggregate-to-{role}"] == "true"
    aggregated = [item for item in kinds(items, "ClusterRole") if "aggregate-to-" in str(item["metadata"]["labels"])]
    writers = [rule for item in aggregated for rule in item["rules"] if "tgiendpoints/status" in rule["resources"]]
    assert {verb for rule in writers for verb in rule["verbs"]} == {"get", "list", "watch"}
    names = {item["metadata"]["name"] for item in kinds(rendered({"rbac": {"aggregate": False}}), "ClusterRole")}
    assert names == {"tgi-operator"}


def test_without_rights_of_its_own_nothing_is_granted() -> None:
    items = rendered({"rbac": {"create": False}, "serviceAccount": {"create": False, "name": "mine"}})
    assert {item["kind"] for item in items} == {
        "CustomResourceDefinition",
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
    }
    assert of(items, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "mine"


OF_PODS = {
    "deployments",
    "replicasets",
    "services",
    "poddisruptionbudgets",
    "horizontalpodautoscalers",
    "scaledobjects",
    "podmonitors",
    "jobs",
    "persistentvolumeclaims",
    "pods",
    "pods/log",
    "nodes",
    "serviceaccounts",
    "tgiendpoints/finalizers",
}
OF_BOTH = {"tgiendpoints", "tgiendpoints/status", "secrets", "events", "namespaces"}


def _granted(values: dict[str, Any]) -> set[str]:
    """Return the resources that the operator's own roles cover, except the Lease."""
    items = [
        item
        for kind in ("ClusterRole", "Role")
        for item in kinds(rendered(values | {"rbac": {"aggregate": False, "freeGPUs": True}}), kind)
    ]
    assert all(item["rules"] for item in items)
    return {resource for item in items for rule in item["rules"] for resource in rule.get("resources", ())} - {"leases"}


@pytest.mark.parametrize("namespaces", [[], ["ml", "dev"]], ids=["everywhere", "namespaces"])
@pytest.mark.parametrize(
    ("backends", "expected"),
    [
        (["sageMaker", "inCluster"], OF_BOTH | OF_PODS),
        (["inCluster"], OF_BOTH | OF_PODS),
        (["sageMaker"], OF_BOTH),
    ],
    ids=["both", "pods", "SageMaker"],
)
def test_an_installation_has_the_permissions_of_its_backends_only(
    backends: list[str], expected: set[str], namespaces: list[str]
) -> None:
    assert _granted({"backends": backends, "watchNamespaces": namespaces}) == expected


@pytest.mark.parametrize("namespaces", [[], ["ml", "dev"]], ids=["everywhere", "namespaces"])
def test_settings_that_need_no_permission_get_none(namespaces: list[str]) -> None:
    def granted(**settings: str) -> set[str]:
        return _granted({"watchNamespaces": namespaces, "settings": settings})

    assert granted() - granted(requireLabels="off") == {"serviceaccounts"}
    assert granted(metricsAuth="on") - granted() == {"tokenreviews", "subjectaccessreviews"}
    assert granted() - granted(clusterId="blue") == {"namespaces"}


@pytest.mark.parametrize("namespaces", [[], ["ml", "dev"]], ids=["everywhere", "namespaces"])
def test_network_policies_are_for_pods_and_only_where_an_administrator_lists_namespaces(namespaces: list[str]) -> None:
    def granted(backend: str, listed: list[str] | None) -> set[str]:
        values = {"backends": [backend], "watchNamespaces": namespaces}
        return _granted(values | {"networkPolicy": {"servingPodsFrom": listed}})

    assert granted("inCluster", ["gateway"]) - granted("inCluster", None) == {"networkpolicies"}
    assert granted("sageMaker", ["gateway"]) == OF_BOTH


@pytest.mark.parametrize("listed", [[], ["*"]], ids=str)
def test_network_policies_can_be_made_and_removed_with_any_list(listed: list[str]) -> None:
    items = rendered({"networkPolicy": {"servingPodsFrom": listed}})
    (rule,) = [rule for _, rule in _rules(items, "ClusterRole") if "networkpolicies" in rule["resources"]]
    assert (rule["apiGroups"], rule["resources"]) == (["networking.k8s.io"], ["networkpolicies"])
    assert rule["verbs"] == ["get", "list", "watch", "create", "patch", "delete"]


def test_secrets_are_read_and_never_written() -> None:
    for backends in (["sageMaker"], ["inCluster"], ["sageMaker", "inCluster"]):
        rules = [rule for _, rule in _rules(rendered({"backends": backends}), "ClusterRole")]
        (verbs,) = [rule["verbs"] for rule in rules if "secrets" in rule["resources"]]
        assert verbs == ["get", "list", "watch"]


def test_who_scrapes_with_a_token_can_be_bound_to_a_role() -> None:
    found = of(rendered({"settings": {"metricsAuth": "on"}}), "ClusterRole", "tgi-operator-metrics-reader")
    assert found["rules"] == [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
