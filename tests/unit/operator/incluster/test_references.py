"""Each way in which a pod uses a Secret or the identity of a service account is found, and named by its field."""

from typing import Any

import pytest

from tgi_operator.api.spec import Spec
from tgi_operator.backends.incluster.desired.references import references
from unit.operator.incluster.given import CACHED, desired, spec

GATED = {"model": {"uri": "hf://a/b", "tokenSecretRef": {"name": "hub", "key": "token"}}}
TEMPLATE = "spec.inCluster.podTemplate.spec"


def found(described: Any, token: str | None = None) -> set[tuple[str, str, str]]:
    """Return kind, name and field of everything that the pods use."""
    made = desired(described, token=token)
    return {(each.kind, each.name, each.field) for each in references(made, Spec.model_validate(described))}


def env(container: str = "tgi", **source: Any) -> dict[str, Any]:
    return {"name": container, "env": [{"name": "PASSWORD", "valueFrom": source}]}


def volume(**source: Any) -> dict[str, Any]:
    return {"volumes": [{"name": "v", **source}]}


DB: dict[str, Any] = {"secretKeyRef": {"name": "db", "key": "password"}}

SECRETS = {
    "a variable": ({"containers": [env(**DB)]}, f"{TEMPLATE}.containers[tgi].env[PASSWORD]"),
    "a variable that may be missing": (
        {"containers": [env(secretKeyRef={"name": "db", "key": "p", "optional": True})]},
        f"{TEMPLATE}.containers[tgi].env[PASSWORD]",
    ),
    "a sidecar's variable": ({"containers": [env("proxy", **DB)]}, f"{TEMPLATE}.containers[proxy].env[PASSWORD]"),
    "an init container's": (
        {"initContainers": [env("first", **DB)]},
        f"{TEMPLATE}.initContainers[first].env[PASSWORD]",
    ),
    "all variables": (
        {"containers": [{"name": "tgi", "envFrom": [{"secretRef": {"name": "db"}}]}]},
        f"{TEMPLATE}.containers[tgi].envFrom",
    ),
    "a volume": (volume(secret={"secretName": "db"}), f"{TEMPLATE}.volumes[v].secret"),
    "a projected volume": (
        volume(projected={"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "db"}}]}),
        f"{TEMPLATE}.volumes[v].projected.secret",
    ),
    "a CSI driver": (
        volume(csi={"driver": "d", "nodePublishSecretRef": {"name": "db"}}),
        f"{TEMPLATE}.volumes[v].csi.nodePublishSecretRef",
    ),
    "a registry": ({"imagePullSecrets": [{"name": "db"}]}, f"{TEMPLATE}.imagePullSecrets"),
}

ACCOUNTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "another one": ({"serviceAccountName": "deployer"}, "deployer", f"{TEMPLATE}.serviceAccountName"),
    "the default one's token": (
        {"automountServiceAccountToken": True},
        "default",
        f"{TEMPLATE}.automountServiceAccountToken",
    ),
    "the default one's token as a volume": (
        volume(projected={"sources": [{"serviceAccountToken": {"path": "t"}}]}),
        "default",
        f"{TEMPLATE}.automountServiceAccountToken",
    ),
}


@pytest.mark.parametrize("name", SECRETS)
def test_every_way_to_a_secret_is_found(name: str) -> None:
    pod, field = SECRETS[name]
    assert found(spec(podTemplate={"spec": pod})) == {("Secret", "db", field)}


@pytest.mark.parametrize("name", ACCOUNTS)
def test_every_way_to_a_service_account_is_found(name: str) -> None:
    pod, account, field = ACCOUNTS[name]
    assert found(spec(podTemplate={"spec": pod})) == {("ServiceAccount", account, field)}


@pytest.mark.parametrize("volumes", [{}, CACHED, {"serviceAccountName": "default"}], ids=["hub", "cache", "default"])
def test_by_default_only_the_token_is_used_which_is_checked_elsewhere(volumes: Any) -> None:
    assert found(spec(GATED, **volumes), token="hf_x") == set()


def test_secrets_of_runtime_variables_are_checked_elsewhere() -> None:
    keys = {"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "api"}}}
    both = spec({"runtime": {"env": [keys]}}, podTemplate={"spec": {"containers": [env(**DB)]}})
    assert {name for _, name, _ in found(both)} == {"db"}


def test_the_job_is_checked_too_where_the_pods_have_another_account() -> None:
    other = {"spec": {"serviceAccountName": "quiet"}}
    assert found(spec(serviceAccountName="reader", podTemplate=other, **CACHED)) == {
        ("ServiceAccount", "reader", "spec.inCluster.serviceAccountName"),
        ("ServiceAccount", "quiet", f"{TEMPLATE}.serviceAccountName"),
    }
