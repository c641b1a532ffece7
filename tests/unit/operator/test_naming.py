"""Digests of the rendering inputs that a user can change."""

from typing import Any

import pytest
from hypothesis import given

from tgi_operator.api.spec import Spec
from tgi_operator.api.status import Status
from tgi_operator.backends.naming import inputs_digests
from tgi_operator.backends.resource import Owner, Resource
from tgi_operator.backends.secret_values import SecretValue, SecretValues
from unit.operator.incluster.given import TOKEN, desired, spec
from unit.operator.incluster.test_render import specs

OWNER = Owner("c-1", "ml", "zephyr-7b", "u-1")
BASE = spec({"model": {"uri": "hf://a/b", "tokenSecretRef": {"name": "hub", "key": "token"}}})


def digests(
    described: dict[str, Any], token: str | None = TOKEN, request: str = "", env: dict[str, SecretValue] | None = None
) -> tuple[str, str]:
    read = Spec.model_validate(described)
    assert read.in_cluster is not None
    resource = Resource(OWNER, 1, False, read, Status(), render_request=request)
    return inputs_digests(
        resource, SecretValues(SecretValue(token, "ml/hub/token") if token else None, env or {}), read.in_cluster
    )


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        pytest.param({}, True, id="nothing"),
        pytest.param({"replicas": 3}, True, id="replicas"),
        pytest.param({"rollout": {"maxSurge": 1}}, True, id="rollout"),
        pytest.param({"inCluster": {"gpu": {"count": 1}}}, True, id="a default that is written out"),
        pytest.param({"inCluster": {"gpu": {"count": 2}}}, False, id="the block"),
        pytest.param({"inCluster": {"tolerations": []}}, False, id="an empty list instead of the default"),
        pytest.param({"inCluster": {"podTemplate": {"spec": {"dnsPolicy": "None"}}}}, False, id="an overlay"),
        pytest.param({"inCluster": {"omitDefaults": ["PreStopHook"]}}, False, id="a default left out"),
        pytest.param({"runtime": {"maxTotalTokens": 9}}, False, id="runtime"),
        pytest.param({"model": {"uri": "hf://a/b", "revision": "v1"}}, False, id="model"),
    ],
)
def test_digest_changes_with_the_inputs_only(changed: dict[str, Any], *, same: bool) -> None:
    for before, after in zip(digests(BASE), digests(BASE | changed), strict=True):
        assert (before == after) is same


def test_digest_changes_with_the_token_and_with_a_request() -> None:
    others = (digests(BASE), digests(BASE, "hf_other"), digests(BASE, None), digests(BASE, request="1"))
    for each in zip(*others, strict=True):
        assert len(set(each)) == 4


def test_without_a_token_earlier_versions_made_the_same_digest() -> None:
    now, earlier = digests(BASE, None)
    assert now == earlier


def test_digest_is_the_same_for_years() -> None:
    """Another digest of the same inputs applies the new rendering of every resource at the next upgrade."""
    assert digests(BASE) == ("fd494c4b8ed94d6a", "6ba6abbe2c99cef7")


WITH_ENV = BASE | {"runtime": {"env": [{"name": "A", "value": "x"}]}}
FROM_SECRET = BASE | {
    "runtime": {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "api"}}}]}
}


def test_digest_of_variables_is_the_same_for_years() -> None:
    assert digests(WITH_ENV) == ("6b6439f419943d27", "f8fb107858258f83")


def test_digest_changes_with_secret_variables() -> None:
    values = [{"A": SecretValue(value, "ml/keys/api")} for value in ("first", "second")]
    found = [digests(FROM_SECRET, env=env) for env in (None, *values)]
    for each in zip(*found, strict=True):
        assert len(set(each)) == 3


@given(specs, specs)
def test_same_inputs_are_the_same_pods(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = desired(one, TOKEN), desired(other, TOKEN)
    if first.inputs == second.inputs:
        assert first.template == second.template
