"""The serving-pods-from setting -> the NetworkPolicy that controls which pods can reach the serving pods."""

from collections.abc import Sequence

from tgi_operator.backends.incluster.desired import names, pod_template
from tgi_operator.backends.incluster.desired.manifests import manifest
from tgi_operator.backends.incluster.kinds import NETWORK_POLICY, Object
from tgi_operator.backends.resource import Owner

EVERY_NAMESPACE = "*"

_NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""Label that the API server sets on each namespace, and that no user can change."""


def network_policy(owner: Owner, namespaces: Sequence[str] | None) -> Object | None:
    """Return the policy that allows pods in the owner's namespace and in `namespaces` to reach the serving port.

    Returns None if no policy is desired: `namespaces` is None, or contains all namespaces.
    """
    if namespaces is None or EVERY_NAMESPACE in namespaces:
        return None
    # Sorted, so that another order of the same namespaces changes nothing.
    selectors = ({"matchLabels": {_NAMESPACE_NAME: name}} for name in sorted(set(namespaces)))
    peers = [{"podSelector": {}}, *({"namespaceSelector": selector} for selector in selectors)]
    spec = {
        "podSelector": {"matchLabels": names.selector(owner)},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": peers, "ports": [{"port": pod_template.PORT, "protocol": "TCP"}]}],
    }
    return manifest(NETWORK_POLICY, owner, owner.name, spec)
