"""The common part of all manifests of a resource."""

import json
from collections.abc import Mapping
from typing import Any

from tgi_operator.api.identifiers import API_VERSION, KIND
from tgi_operator.api.spec import SecretKeyRef
from tgi_operator.backends import naming
from tgi_operator.backends.incluster.desired import names
from tgi_operator.backends.incluster.kinds import DEPLOYMENT, Kind, Object
from tgi_operator.backends.incluster.seen.coverage import covers
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


def stamped(made: Object) -> Object:
    """Return a manifest with the digest of itself, by which `is_applied` recognizes what was applied last."""
    annotations = made["metadata"].get("annotations", {}) | {names.ANNOTATION_APPLIED: _stamp(made)}
    return made | {"metadata": made["metadata"] | {"annotations": annotations}}


def is_applied(live: Object, made: Object) -> bool:
    """Return whether the operator applied exactly this manifest last, whatever others have changed since.

    The API server removes what an earlier manifest had and the last one does not have. No other comparison shows that:
    what is left of an earlier manifest looks like an addition by others.
    """
    return bool(live["metadata"].get("annotations", {}).get(names.ANNOTATION_APPLIED) == _stamp(made))


def is_as_wanted(live: Object, made: Object) -> bool:
    """Return whether an apply of this manifest would change nothing.

    `overridden` of a live object is the digest of a manifest whose apply has changed nothing: see seen/children.py.
    """
    return is_applied(live, made) and (covers(live, made) or live.get("overridden") == content_digest(stamped(made)))


def content_digest(made: Object) -> str:
    """Return a digest of a manifest or a part of one."""
    return naming.revision(json.dumps(made, sort_keys=True))


def _stamp(made: Object) -> str:
    # Another user or an autoscaler can set the replica count, which the manifest then repeats. A template that stays
    # has the API server's defaults, but still the revision that it was applied with.
    spec = {name: value for name, value in made["spec"].items() if name != "replicas"}
    if made["kind"] == DEPLOYMENT.name:
        spec["template"] = names.revision(spec["template"])
    return content_digest(made | {"spec": spec})


def variable_from_secret(name: str, reference: SecretKeyRef) -> Object:
    """Return the environment variable with the value of a key of a Secret, by reference."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": reference.name, "key": reference.key}}}


def literal(value: str) -> str:
    """Return a string escaped for the kubelet, which otherwise replaces $(NAME) with the value of a variable."""
    return value.replace("$", "$$")
