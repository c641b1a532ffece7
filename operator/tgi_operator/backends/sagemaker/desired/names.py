"""Names and tags of the objects that the operator creates on SageMaker."""

import re
from collections.abc import Iterable, Mapping

from tgi_operator.api.identifiers import GROUP
from tgi_operator.backends.keys import Key
from tgi_operator.backends.naming import digest, with_tail
from tgi_operator.backends.resource import Owner

MAX_NAME = 63
"""Longest name of an endpoint, configuration or model (EndpointName of the SageMaker API model)."""

TAG_CLUSTER = f"{GROUP}/cluster"
TAG_NAMESPACE = f"{GROUP}/namespace"
TAG_NAME = f"{GROUP}/name"
TAG_UID = f"{GROUP}/uid"
TAG_STAND_IN = f"{GROUP}/stand-in"
"""On a placeholder for a deleted configuration, whose content does not match its name."""

TAG_RENDERED_FROM = f"{GROUP}/rendered-from"
"""On a configuration: the digest of the fields of the spec that it was rendered from."""

VARIANT = "AllTraffic"
"""Name of the only production variant. Guardrails and metrics need it to stay the same."""


_HASH_LENGTH = 12
"""Hexadecimal digits of the hash in an endpoint's name. A collision of eight digits can be forced within minutes."""


def endpoint_name(key: Key) -> str:
    """Return the endpoint's name for a resource that names none: NAMESPACE-NAME-HASH, within 63 characters.

    The hash covers the namespace and name, so that no two resources get the same name (a/b-c and a-b/c).
    """
    allowed = re.sub(r"[^a-z0-9]+", "-", f"{key.namespace}-{key.name}".lower()).strip("-")
    return with_tail(allowed, digest(f"{key.namespace}/{key.name}")[:_HASH_LENGTH], MAX_NAME)


def former_endpoint_name(key: Key) -> str:
    """Return the name that earlier versions gave the endpoint: NAMESPACE-NAME, with a hash only if it was cut.

    Two resources can have the same such name, so only an existing endpoint keeps it.
    """
    full = f"{key.namespace}-{key.name}"
    allowed = re.sub(r"[^a-z0-9]+", "-", full.lower()).strip("-")
    if allowed == full and len(full) <= MAX_NAME:
        return full
    return with_tail(allowed, digest(full)[:8], MAX_NAME)


def set_name(endpoint: str, revision: str) -> str:
    """Return the common name of the model and the configuration of one revision.

    If the endpoint's name must be cut, a hash of the whole name distinguishes the names of different endpoints.
    """
    if len(endpoint) + 1 + len(revision) > MAX_NAME:
        return with_tail(endpoint, f"{digest(endpoint)[:8]}-{revision}", MAX_NAME)
    return f"{endpoint}-{revision}"


def revision_of(endpoint: str, name: str) -> str | None:
    """Return the revision in the name of a configuration, or None if the name is not ours for that endpoint."""
    revision = name.rpartition("-")[2]
    return revision if name == set_name(endpoint, revision) and re.fullmatch(r"[0-9a-f]{10}", revision) else None


def owner_tags(owner: Owner) -> dict[str, str]:
    """Return the tags that show the owner of an object."""
    return {
        TAG_CLUSTER: owner.cluster,
        TAG_NAMESPACE: owner.namespace,
        TAG_NAME: owner.name,
        TAG_UID: owner.uid,
    }


def identifying_tags(owner: Owner) -> dict[str, str]:
    """Return the tags that have to match.

    The uid need not match: a resource that is restored from a backup, or applied again after its deletion with Retain,
    takes its objects back.
    """
    return {key: value for key, value in owner_tags(owner).items() if key != TAG_UID}


def owner_of(tags: Mapping[str, str]) -> Owner | None:
    """Return the owner that tags name, or None if they name none. The uid is empty if it is not tagged."""
    if not all(key in tags for key in (TAG_CLUSTER, TAG_NAMESPACE, TAG_NAME)):
        return None
    return Owner(tags[TAG_CLUSTER], tags[TAG_NAMESPACE], tags[TAG_NAME], tags.get(TAG_UID, ""))


def is_owned(tags: Mapping[str, str], owner: Owner) -> bool:
    """Return whether tags name this resource."""
    return all(tags.get(key) == value for key, value in identifying_tags(owner).items())


def is_anothers(tags: Mapping[str, str], owner: Owner) -> bool:
    """Return whether the tags that exist name another resource. Missing tags contradict nothing."""
    return any(tags.get(key, value) != value for key, value in identifying_tags(owner).items())


def is_claimed(tags: Mapping[str, str]) -> bool:
    """Return whether tags name any resource."""
    return any(key in tags for key in (TAG_CLUSTER, TAG_NAMESPACE, TAG_NAME))


def to_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags in the list form of AWS."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def from_list(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return a tag list of AWS as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in tags}
