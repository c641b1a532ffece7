"""The common part of all manifests of a resource."""

from collections.abc import Mapping
from typing import Any

from tgi_operator.api.identifiers import API_VERSION, KIND
from tgi_operator.backends.incluster.desired import names
from tgi_operator.backends.incluster.kinds import Kind, Object
from tgi_operator.backends.resource import Owner


def manifest(kind: Kind, owner: Owner, name: str, spec: Mapping[str, Any], *, owned: bool = True) -> Object:
    """Return a manifest. Garbage collection deletes an `owned` object together with the resource."""
    metadata: Object = {"name": name, "namespace": owner.namespace, "labels": names.labels(owner)}
    if owned:
        metadata["ownerReferences"] = [_owner_reference(owner)]
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": dict(spec)}


def _owner_reference(owner: Owner) -> Object:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def literal(value: str) -> str:
    """Return a text escaped for the kubelet, which otherwise replaces $(NAME) by the value of a variable."""
    return value.replace("$", "$$")
