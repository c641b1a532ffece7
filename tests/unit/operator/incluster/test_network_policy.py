"""The NetworkPolicy of the serving pods; tests/unit/chart/test_network_policy.py tests what it allows."""

from typing import Any

import pytest

from tgi_operator.backends.incluster.desired.network_policy import network_policy
from unit.operator.incluster.given import OWNER, desired, spec


def test_it_is_an_object_like_the_others_for_the_pods_of_the_deployment() -> None:
    made, wanted = network_policy(OWNER, ("gateway", "monitoring")), desired(spec())
    assert made == {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": wanted.service["metadata"],
        "spec": {
            "podSelector": {"matchLabels": wanted.service["spec"]["selector"]},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [
                        {"podSelector": {}},
                        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateway"}}},
                        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}},
                    ],
                    "ports": [{"port": 8080, "protocol": "TCP"}],
                }
            ],
        },
    }


def test_an_empty_list_admits_the_own_namespace_only() -> None:
    made: Any = network_policy(OWNER, ())
    assert made["spec"]["ingress"][0]["from"] == [{"podSelector": {}}]


@pytest.mark.parametrize("listed", [None, ("*",), ("gateway", "*")], ids=str)
def test_there_is_none_without_a_list_or_with_all_namespaces(listed: tuple[str, ...] | None) -> None:
    assert network_policy(OWNER, listed) is None
