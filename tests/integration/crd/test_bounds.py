"""A tenant tries to create objects that are too large or too deep, on a real API server."""

import json
from contextlib import closing
from typing import Any

import pytest

from integration.crd import test_in_cluster_admission as incluster
from tgi_operator.api.spec import Spec
from tgi_operator.schema import size
from tgi_operator.schema.crd import structural_schema
from tgi_sandbox.cluster import ControlPlane

DEEPEST = 9_900
"""The API server reads up to 10,000 levels; Python reads fewer."""


class Tenant:
    """Creates TGIEndpoints in one namespace from text, without checking it."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self._api = control_plane.api
        self._path = f"/apis/tgi-operator.dev/v1alpha1/namespaces/{namespace}/tgiendpoints?fieldValidation=Ignore"

    def create(self, spec: str, metadata: str = "") -> tuple[int, str]:
        """Return the status code and the text of the answer, which is the stored object."""
        body = (
            '{"apiVersion": "tgi-operator.dev/v1alpha1", "kind": "TGIEndpoint", '
            f'"metadata": {{"name": "large"{metadata}}}, "spec": {{"model": {{"uri": "hf://a/b"}}, {spec}}}}}'
        )
        headers = {"Authorization": f"Bearer {self._api._token}", "Content-Type": "application/json"}
        with closing(self._api._connect(30)) as connection:
            connection.request("POST", self._path, body, headers)
            response = connection.getresponse()
            return response.status, response.read().decode()


@pytest.fixture
def tenant(control_plane: ControlPlane, namespace: str) -> Tenant:
    return Tenant(control_plane, namespace)


def nested(levels: int) -> str:
    return '{"a": ' * levels + "{}" + "}" * levels


def depth(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, children), default=0)


@pytest.mark.parametrize(
    "template",
    [
        pytest.param(nested(DEEPEST), id="the template"),
        pytest.param(f'{{"spec": {nested(DEEPEST)}}}', id="the pod"),
        pytest.param(f'{{"spec": {{"affinity": {nested(DEEPEST)}}}}}', id="the affinity"),
        pytest.param(f'{{"spec": {{"containers": [{{"name": "tgi", "a": {nested(DEEPEST)}}}]}}}}', id="a container"),
        pytest.param(f'{{"spec": {{"volumes": [{{"name": "a", "emptyDir": {nested(DEEPEST)}}}]}}}}', id="a volume"),
        pytest.param(f'{{"metadata": {{"labels": {{"a": {nested(DEEPEST)}}}}}}}', id="a label"),
        pytest.param(f'{{"metadata": {{"annotations": {nested(DEEPEST)}}}}}', id="the annotations"),
        pytest.param("[" * DEEPEST + "]" * DEEPEST, id="lists"),
    ],
)
def test_deep_nesting_is_dropped_or_refused(tenant: Tenant, template: str) -> None:
    code, answer = tenant.create(f'"inCluster": {{"podTemplate": {template}}}')
    assert code in (201, 422)
    if code == 201:
        assert depth(json.loads(answer)) < 16


def test_deep_nesting_beside_the_spec_is_dropped(tenant: Tenant) -> None:
    code, answer = tenant.create(f'"inCluster": {{}}, "a": {nested(DEEPEST)}', f', "a": {nested(DEEPEST)}')
    assert code == 201
    assert depth(json.loads(answer)) < 16


@pytest.mark.parametrize("operation", ["Apply", "Update"])
def test_managed_fields_pass_as_deep_as_a_tenant_writes_them(tenant: Tenant, operation: str) -> None:
    """No schema and no admission policy limits them: the readers of resources must handle them."""
    fields = '{"f:a": ' * DEEPEST + "{}" + "}" * DEEPEST
    entry = f'{{"manager": "a", "operation": "{operation}", "apiVersion": "tgi-operator.dev/v1alpha1", "fieldsType": '
    code, answer = tenant.create('"inCluster": {}', f', "managedFields": [{entry}"FieldsV1", "fieldsV1": {fields}}}]')
    assert code == 201
    assert answer.count('{"f:a":') == DEEPEST


def test_largest_texts_are_not_larger_than_documented(tenant: Tenant) -> None:
    spec = json.dumps(incluster.annotated(8192, 6776)["inCluster"])
    code, answer = tenant.create(f'"inCluster": {spec}')
    assert code == 201
    assert answer.count("\\u003c") == 8192 + 6776
    stored = len(answer) - answer.index('"spec":')
    assert 6 * (8192 + 6776) < stored < size.most_bytes_of_a_spec(structural_schema(Spec))


def test_megabytes_are_refused(tenant: Tenant) -> None:
    tolerations = json.dumps([{"key": "a", "value": str(number)} for number in range(14_000)])
    code, answer = tenant.create(f'"inCluster": {{"podTemplate": {{"spec": {{"tolerations": {tolerations}}}}}}}')
    assert code == 422
    assert "must have at most 32 items" in answer
