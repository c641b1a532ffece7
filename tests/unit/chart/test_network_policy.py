"""The connections that the network policies allow, those of the operator and of the serving pods, and no others."""

from dataclasses import replace
from typing import Any

import pytest

from tgi_operator.backends.incluster.desired import names, pod_template
from tgi_operator.backends.incluster.desired.network_policy import network_policy
from tgi_operator.backends.resource import Owner
from unit.chart.rendering import Object, kinds, of, rendered
from unit.chart.traffic import Connection, Peer, allowed

LABELS = of(rendered(), "Deployment")["spec"]["template"]["metadata"]["labels"]

OPERATOR = Peer("10.0.1.2", "tgi-system", LABELS)
TGI = Peer("10.0.1.3", "tgi-system", names.server_labels(Owner("c", "tgi-system", "zephyr", "u")))
PROMETHEUS = Peer("10.0.1.4", "monitoring", {"app": "prometheus"})
SOMEBODY = Peer("10.0.1.5", "default", {"app": "x"})
DNS = Peer("10.0.1.6", "kube-system", {"k8s-app": "kube-dns"})
NODE_DNS = Peer("169.254.20.10")
NODE = Peer("10.0.0.1")
API_SERVER = Peer("10.0.0.10")
AWS = Peer("52.95.1.1")
POD_IDENTITY = Peer("169.254.170.23")
POD_IDENTITY_V6 = Peer("fd00:ec2::23")
NODE_ROLE = Peer("169.254.169.254")
PROXY = Peer("10.0.0.20")

METRICS = 8090

# Source, destination, port, allowed. The kubelet's probes come from the node of the pod, which no policy blocks.
INGRESS = [
    (Connection(PROMETHEUS, OPERATOR, METRICS), True),
    (Connection(SOMEBODY, OPERATOR, METRICS), False),
    (Connection(PROMETHEUS, OPERATOR, METRICS, "UDP"), False),
    (Connection(PROMETHEUS, OPERATOR, 22), False),
    (Connection(PROMETHEUS, OPERATOR, 8080), False),
    (Connection(NODE, OPERATOR, 10250), False),
]
EGRESS = [
    (Connection(OPERATOR, DNS, 53, "UDP"), True),
    (Connection(OPERATOR, DNS, 53), True),
    (Connection(OPERATOR, NODE_DNS, 53, "UDP"), True),
    (Connection(OPERATOR, API_SERVER, 443), True),
    (Connection(OPERATOR, AWS, 443), True),
    (Connection(OPERATOR, AWS, 443, "UDP"), False),
    (Connection(OPERATOR, AWS, 80), False),
    (Connection(OPERATOR, POD_IDENTITY, 80), True),
    (Connection(OPERATOR, POD_IDENTITY_V6, 80), True),
    (Connection(OPERATOR, POD_IDENTITY, 8080), False),
    (Connection(OPERATOR, NODE_ROLE, 80), False),
    (Connection(OPERATOR, TGI, 8080), False),
    (Connection(OPERATOR, PROMETHEUS, 9090), False),
    (Connection(OPERATOR, NODE, 10250), False),
    # It only applies to the operator, also in the operator's own namespace.
    (Connection(SOMEBODY, TGI, 8080), True),
    (Connection(TGI, AWS, 80), True),
]
WITH_EGRESS = [
    (Connection(OPERATOR, API_SERVER, 6443), True),
    (Connection(OPERATOR, PROXY, 3128), False),
]
OPEN = [
    (Connection(SOMEBODY, OPERATOR, METRICS), True),
    (Connection(NODE, OPERATOR, METRICS), True),
    (Connection(SOMEBODY, OPERATOR, 22), False),
]
NARROWED = [
    (Connection(OPERATOR, API_SERVER, 6443), False),
    (Connection(OPERATOR, PROXY, 3128), True),
    (Connection(OPERATOR, AWS, 3128), False),
    (Connection(SOMEBODY, OPERATOR, METRICS), True),
]
NARROW = {
    "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}}],
    "egress": True,
    "apiPorts": [443],
    "extraEgress": [{"to": [{"ipBlock": {"cidr": f"{PROXY.ip}/32"}}], "ports": [{"port": 3128}]}],
}


def _policies(values: dict[str, Any], **others: Any) -> list[Object]:
    return kinds(rendered({"networkPolicy": values} | others), "NetworkPolicy")


def _holds(policies: list[Object], table: list[tuple[Connection, bool]]) -> None:
    found = zip(table, allowed(policies, [connection for connection, _ in table]), strict=True)
    assert not [connection for (connection, expected), answer in found if answer != expected]


def test_by_default_prometheus_gets_in_and_everything_gets_out() -> None:
    _holds(_policies({}), INGRESS)
    outgoing = [(connection, True) for connection, _ in EGRESS + WITH_EGRESS]
    _holds(_policies({}), outgoing)


def test_with_egress_rules_only_what_the_operator_calls_gets_out() -> None:
    _holds(_policies({"egress": True}), INGRESS + EGRESS + WITH_EGRESS)


def test_it_is_as_narrow_or_wide_as_the_values_say() -> None:
    _holds(_policies(NARROW), EGRESS + NARROWED)
    _holds(_policies({"metricsFrom": []}), OPEN)


def test_the_metrics_are_where_the_settings_put_them() -> None:
    table = [(Connection(PROMETHEUS, OPERATOR, 9000), True), (Connection(PROMETHEUS, OPERATOR, METRICS), False)]
    _holds(_policies({}, settings={"httpPort": 9000}), table)


def test_a_policy_that_lets_too_much_out_would_be_told() -> None:
    (policy,) = _policies({"egress": True})
    policy["spec"]["egress"].append({"ports": None})
    assert allowed([policy], [Connection(OPERATOR, NODE_ROLE, 80)]) == [True]


def test_it_can_be_left_out() -> None:
    assert not _policies({"enabled": False})


ZEPHYR = Owner("c", "ml", "zephyr", "u")
SERVING = Peer("10.0.1.7", "ml", names.server_labels(ZEPHYR))
NEIGHBOUR = Peer("10.0.1.8", "ml", {"app": "chat"})
GATEWAY = Peer("10.0.1.9", "gateway", {"app": "x"})
PORT = pod_template.PORT

# Regardless of the listed namespaces.
SERVED = [
    (Connection(NEIGHBOUR, SERVING, PORT), True),
    (Connection(SOMEBODY, SERVING, PORT), False),
    (Connection(AWS, SERVING, PORT), False),
    (Connection(NEIGHBOUR, SERVING, 22), False),
    (Connection(NEIGHBOUR, SERVING, PORT, "UDP"), False),
    (Connection(GATEWAY, SERVING, 22), False),
    # It applies to the serving pods of one resource.
    (Connection(SOMEBODY, NEIGHBOUR, PORT), True),
    (Connection(SOMEBODY, Peer("10.0.1.10", "ml", names.server_labels(replace(ZEPHYR, name="falcon"))), PORT), True),
    (Connection(SOMEBODY, Peer("10.0.1.11", "ml", names.weights_labels(ZEPHYR)), PORT), True),
    (Connection(SERVING, AWS, 443), True),
    (Connection(SERVING, SOMEBODY, 25), True),
]


@pytest.mark.parametrize("listed", [(), ("gateway",), ("gateway", "monitoring")], ids=str)
def test_only_the_own_namespace_and_those_listed_reach_the_pods_that_serve(listed: tuple[str, ...]) -> None:
    policy = network_policy(ZEPHYR, listed)
    assert policy is not None
    sources = [(peer, peer.namespace in listed) for peer in (GATEWAY, PROMETHEUS)]
    _holds([policy], [*SERVED, *((Connection(peer, SERVING, PORT), allows) for peer, allows in sources)])
