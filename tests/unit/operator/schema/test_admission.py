"""Offline admission refuses and accepts the same specs as the API server: the tests use the API server's own tables."""

from typing import Any

import pytest

from integration.crd import test_autoscaling_admission as autoscaling
from integration.crd import test_crd_admission as sagemaker
from integration.crd import test_in_cluster_admission as incluster
from tgi_operator.schema import crd
from tgi_operator.schema.admission import NotAdmittedError, admitted
from tgi_operator.schema.expressions import parse

Spec = dict[str, Any]
TABLES = (sagemaker, incluster, autoscaling)

ACCEPTED = [case.values[0] if hasattr(case, "values") else case for table in TABLES for case in table.ACCEPTED]
REFUSED = [case.values[0] if hasattr(case, "values") else case[0] for table in TABLES for case in table.REFUSED]


def manifest(spec: Any, name: Any = "falcon-7b", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "tgi-operator.dev/v1alpha1",
        "kind": "TGIEndpoint",
        "metadata": {"name": name, **metadata},
        "spec": spec,
    }


def problems(spec: Any, name: Any = "falcon-7b", **metadata: Any) -> list[str]:
    with pytest.raises(NotAdmittedError) as refused:
        admitted(manifest(spec, name, **metadata))
    return refused.value.problems


@pytest.mark.parametrize("spec", ACCEPTED, ids=str)
def test_what_the_api_server_lets_in(spec: Spec) -> None:
    assert admitted(manifest(spec)).backend in spec


@pytest.mark.parametrize("spec", REFUSED, ids=str)
def test_what_the_api_server_refuses(spec: Spec) -> None:
    assert problems(spec)


def test_every_rule_but_those_of_changes_is_understood() -> None:
    def rules(node: Any) -> list[dict[str, str]]:
        if isinstance(node, list):
            return [rule for item in node for rule in rules(item)]
        if not isinstance(node, dict):
            return []
        return [*node.get("x-kubernetes-validations", ()), *(rule for item in node.values() for rule in rules(item))]

    found = [each["rule"] for each in rules(crd.crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"])]
    of_now = [rule for rule in found if "oldSelf" not in rule]
    assert len(of_now) > 25
    for rule in of_now:
        parse(rule)


def test_patterns_mean_the_same_to_the_api_server_and_here() -> None:
    """In classes of characters, Go uses ASCII and pydantic Unicode."""

    def patterns(node: Any) -> list[str]:
        children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        own = [node.get("pattern"), node.get("rule")] if isinstance(node, dict) else []
        return [text for text in own if isinstance(text, str)] + [
            pattern for child in children for pattern in patterns(child)
        ]

    found = patterns(crd.crd())
    assert len(found) > 60
    assert [pattern for pattern in found if any(f"\\{letter}" in pattern for letter in "wWsSdDbB")] == []


@pytest.mark.parametrize(
    ("name", "metadata"),
    [
        ("badname_X", {}),
        ("", {}),
        (None, {}),
        (7, {}),
        ("a..b", {}),
        ("a.-b", {}),
        ("-a", {}),
        ("a\n", {}),
        ("a" * 254, {}),
        ("a", {"namespace": "a.b"}),
        ("a", {"namespace": "a" * 64}),
        ("a", {"namespace": 7}),
    ],
)
def test_names_that_kubernetes_refuses(name: Any, metadata: dict[str, Any]) -> None:
    (problem,) = problems(sagemaker.SMALLEST, name, **metadata)
    assert problem.startswith("metadata.name")


@pytest.mark.parametrize("name", ["a", "a.b-c.0", "a" * 253])
def test_names_that_kubernetes_takes(name: str) -> None:
    assert admitted(manifest(sagemaker.SMALLEST, name, namespace="ml"))


def test_names_with_pods_are_those_of_services() -> None:
    for name in incluster.SERVICE_NAMES:
        assert admitted(manifest(incluster.SMALLEST, name))
    for name in incluster.OTHER_NAMES:
        (problem,) = problems(incluster.SMALLEST, name)
        assert problem.startswith("if inCluster is set, metadata.name must be a valid Service name")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            sagemaker.spec(instancetype="ml.g5.2xlarge", tagz=[]) | {"replicas": -1},
            [
                'unknown field "spec.sageMaker.instancetype": did you mean instanceType?',
                'unknown field "spec.sageMaker.tagz": did you mean tags?',
                "spec.replicas: must be at least 0, not -1",
            ],
        ),
        (
            sagemaker.without(sagemaker.spec(instancetype="ml.g5.2xlarge"), "sageMaker", "instanceType"),
            ['unknown field "spec.sageMaker.instancetype": did you mean instanceType?'],
        ),
        (
            {**sagemaker.SMALLEST, "colour": "red"},
            ['unknown field "spec.colour"'],
        ),
        (
            sagemaker.spec(execution_role_arn="arn"),
            ['unknown field "spec.sageMaker.execution_role_arn": did you mean executionRoleARN?'],
        ),
        (
            sagemaker.runtime(version=3.3, image=True),
            [
                "spec.runtime.version: must be a string, not 3.3 (put the value in quotes)",
                "spec.runtime.image: must be a string, not true (put the value in quotes)",
            ],
        ),
        (sagemaker.runtime(numShard="4"), ['spec.runtime.numShard: must be a whole number, not "4"']),
        (sagemaker.runtime(trustRemoteCode="yes"), ['spec.runtime.trustRemoteCode: must be true or false, not "yes"']),
        (sagemaker.runtime(dtype="int8"), ["spec.runtime.dtype: must be 'float16' or 'bfloat16', not \"int8\""]),
        (
            sagemaker.runtime(env=[{"name": "1", "value": "x"}]),
            [
                (
                    "spec.runtime.env[0].name: must be the name of an environment variable (letters, digits and '_'), "
                    'such as MAX_BATCH_TOTAL_TOKENS, not "1"'
                )
            ],
        ),
        (
            incluster.spec(resources={"limits": {"memory": "24GB"}}),
            [
                (
                    "spec.inCluster.resources.limits.memory: a unit, if any, must be a Kubernetes unit, such as G or "
                    'Gi instead of GB, not "24GB"'
                )
            ],
        ),
        (
            sagemaker.runtime(env=[{"name": "A", "value": "1"}] * 2),
            ['spec.runtime.env[1]: must not repeat {"name": "A"}'],
        ),
        (sagemaker.spec({"runtime": []}), ["spec.runtime: must be a map, not a list"]),
        (sagemaker.spec({"replicas": None, "model": None}), ["spec.model is required"]),
        (
            {},
            ["spec.model is required"],
        ),
        (None, ["spec is required"]),
        ([], ["spec: must be a map, not a list"]),
        (
            sagemaker.spec({"replicas": 2, "autoscaling": {"maxReplicas": 2, "minReplicas": 3}}),
            [
                "spec.autoscaling: minReplicas must not be greater than maxReplicas",
                "spec: at most one of replicas and autoscaling may be set",
            ],
        ),
    ],
)
def test_words(spec: Any, words: list[str]) -> None:
    assert [problem.partition(";")[0] for problem in problems(spec)] == words


def test_fields_beside_spec_are_known_too() -> None:
    misplaced = {**manifest(sagemaker.SMALLEST), "specs": {}, "replicas": 2}
    with pytest.raises(NotAdmittedError) as refused:
        admitted(misplaced)
    assert refused.value.problems == ['unknown field "specs": did you mean spec?', 'unknown field "replicas"']
