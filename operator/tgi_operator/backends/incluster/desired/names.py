"""Names and labels of the objects of a resource in the cluster."""

from collections.abc import Mapping
from typing import Any

from tgi_operator.api.identifiers import FIELD_MANAGER, GROUP
from tgi_operator.backends.naming import digest, with_tail
from tgi_operator.backends.resource import Owner

LABEL_NAME = f"{GROUP}/name"
"""Label of every object of a resource, with the resource's name. The operator watches objects by it."""

LABEL_REVISION = f"{GROUP}/revision"

LABEL_WEIGHTS = f"{GROUP}/weights"
"""Label of pods with weights from a cache: the identity of the weights, which a Job must not remove."""

LABEL_VOLUME = f"{GROUP}/volume"
"""Label for pods with a volume that only one node can attach; its value is a digest of the name of the PVC."""

ANNOTATION_INPUTS = f"{GROUP}/rendered-from"
"""Annotation of the Deployment, not of its pods: the digest of the inputs that its pod template is rendered from."""

ANNOTATION_ROLLED_BACK = f"{GROUP}/rolled-back-from"
"""Annotation of the Deployment: the revision that failed for the inputs of the Deployment, and was rolled back."""

ANNOTATION_APPLIED = f"{GROUP}/applied"
"""Annotation of every object that the operator applies: the digest of what it applied."""

ANNOTATION_TOKEN = f"{GROUP}/token"
"""Annotation of the Job: the fingerprint of the Hub token, so that another token replaces a Job that failed."""

ANNOTATION_SECRETS = f"{GROUP}/secrets"
"""Annotation of the Job: the fingerprint of its other values from Secrets, for the same purpose."""

ANNOTATION_ATTEMPT = f"{GROUP}/attempt"
"""Annotation of the Job: how many Jobs before it failed to fetch the same weights."""

CONTAINER = "tgi"
"""Name of TGI's container in its pods."""

_LONGEST = 63
"""Longest name of a Service, and of a Job, whose name becomes a label of its pods."""

_IDENTITY_LENGTH = 10

_MANAGED_BY = "app.kubernetes.io/managed-by"
_COMPONENT = "app.kubernetes.io/component"
_SERVER, _WEIGHTS = "server", "weights"


def labels(owner: Owner) -> dict[str, str]:
    """Return the labels of every object of the resource."""
    return {
        "app.kubernetes.io/name": "text-generation-inference",
        _MANAGED_BY: FIELD_MANAGER,
        LABEL_NAME: owner.name,
    }


def selector(owner: Owner) -> dict[str, str]:
    """Return the labels that only serving pods have."""
    return {LABEL_NAME: owner.name, _COMPONENT: _SERVER}


def server_labels(owner: Owner) -> dict[str, str]:
    """Return the labels of serving pods, without the revision."""
    return labels(owner) | selector(owner)


def weights_labels(owner: Owner) -> dict[str, str]:
    """Return the labels of the pods that fetch weights."""
    return labels(owner) | {_COMPONENT: _WEIGHTS}


def is_server(found: Mapping[str, str]) -> bool:
    """Return whether the labels are those of a pod that serves."""
    return found.get(_COMPONENT) == _SERVER


def is_ours(found: Mapping[str, str], owner: Owner) -> bool:
    """Return whether an object with these labels belongs to the resource, or to a deleted one with the same name."""
    return found.get(_MANAGED_BY) == FIELD_MANAGER and found.get(LABEL_NAME) == owner.name


def revision(body: Mapping[str, Any]) -> str | None:
    """Return the revision on the labels of a pod or a pod template, or None if there is none."""
    found = body["metadata"].get("labels", {}).get(LABEL_REVISION)
    return str(found) if found is not None else None


def claim_name(owner: Owner) -> str:
    """Return the name of the PVC that the operator creates for the weights."""
    if len(owner.name) + len("-weights") > _LONGEST:
        return with_tail(owner.name, f"{digest(owner.name)[:8]}-weights", _LONGEST)
    return f"{owner.name}-weights"


def volume_labels(claim: str) -> dict[str, str]:
    """Return the label of all pods that attach the volume of a PVC to one node."""
    return {LABEL_VOLUME: digest(claim)[:10]}


def weights_identity(owner: Owner, what: str) -> str:
    """Return the identity of the weights of a resource: a digest of `what`, which describes source and target."""
    return digest(f"{owner.name}/{what}")[:_IDENTITY_LENGTH]


def job_name(owner: Owner, identity: str) -> str:
    """Return the name of the Job that fetches the weights with this identity."""
    return with_tail(owner.name, f"fetch-{identity}", _LONGEST)


def identity_of(job: Mapping[str, Any]) -> str:
    """Return the identity of the weights that a Job fetches."""
    return str(job["metadata"]["name"])[-_IDENTITY_LENGTH:]


def is_identity(text: str) -> bool:
    """Return whether `text` has the form of an identity. Another user can change a label."""
    return len(text) == _IDENTITY_LENGTH and set(text) <= set("0123456789abcdef")


def home_of(owner: Owner) -> str:
    """Return the name of the folder for a resource in a cache that several resources and clusters can share."""
    return digest(f"{owner.cluster}/{owner.uid}")[:_IDENTITY_LENGTH]
