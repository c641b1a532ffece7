"""Restrictions on a pod template, which must not access anything outside the pod, and on annotations of the Service.

These are the baseline of the Pod Security Standards, which a cluster might not enforce, and two more restrictions. Only
the volume types of the restricted standard are allowed, and TGI's container keeps its security context. Host
namespaces, host ports, sysctls, `nodeName` and similar fields do not exist in `podTemplate`.

Controllers for DNS, gateways, VPNs and meshes act on the annotations of any Service, also of type ClusterIP. For
example, an annotation can publish the Service under the host name of another team. No list of dangerous annotations can
be complete, so administrators list the ones that they allow.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.backends.incluster.desired import names
from tgi_operator.backends.incluster.kinds import Object

CONTAINERS = ("initContainers", "containers")

_FIELD = "spec.inCluster.podTemplate"
_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_SELINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"

_LONGEST_VALUE = 64

Violation = tuple[str, str]
"""A field in the pod template, and the problem with it."""


def problem(template: Object) -> Problem | None:
    """Return the first violation in a pod template, or None if there is none."""
    for field, wrong in _violations(template):
        return Problem(
            Reason.POD_NOT_RESTRICTED,
            f"{_FIELD}.{field}: {wrong}; remove the field, or ask an administrator to set `pod-template: unrestricted`",
        )
    return None


def annotation_problem(annotations: Iterable[str], allowed: Collection[str]) -> Problem | None:
    """Return the first annotation of the Service that matches no allowed pattern, or None if there is none."""
    for key in annotations:
        if not any(fnmatchcase(key, pattern) for pattern in allowed):
            return Problem(
                Reason.ANNOTATION_NOT_ALLOWED,
                f"spec.inCluster.service.annotations: {key} is not allowed (allowed: {', '.join(allowed) or 'none'}); "
                "remove it, or ask an administrator to add it to the `service-annotations` setting",
            )
    return None


def mapping(value: object) -> Mapping[str, Any]:
    """Return a map of the template, or an empty one if there is none."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: object) -> Iterator[Mapping[str, Any]]:
    """Yield the maps of a list of the template."""
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, Mapping))


def containers(pod: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield all containers of a pod, each with its field in the pod template."""
    for kind in CONTAINERS:
        for each in mappings(pod.get(kind)):
            yield f"spec.{kind}[{each.get('name')}]", each


def _violations(template: Object) -> Iterator[Violation]:
    pod = mapping(template.get("spec"))
    yield from _of_annotations(mapping(mapping(template.get("metadata")).get("annotations")))
    yield from _of_context("spec.securityContext", mapping(pod.get("securityContext")))
    for volume in mappings(pod.get("volumes")):
        yield from _of_volume(volume)
    for field, container in containers(pod):
        yield from _of_container(field, container)


def _of_annotations(annotations: Mapping[str, Any]) -> Iterator[Violation]:
    for name, value in annotations.items():
        if name.startswith(_APPARMOR) and value == "unconfined":
            yield f"metadata.annotations[{name}]", "the AppArmor profile must not be unconfined"


def _of_volume(volume: Mapping[str, Any]) -> Iterator[Violation]:
    for kind in sorted(volume.keys() - _VOLUMES - {"name"}):
        yield (
            f"spec.volumes[{volume.get('name')}].{kind}",
            f"volumes of type {kind} are not allowed (allowed: {', '.join(sorted(_VOLUMES))})",
        )


def _of_container(field: str, container: Mapping[str, Any]) -> Iterator[Violation]:
    context = mapping(container.get("securityContext"))
    where = f"{field}.securityContext"
    yield from _of_context(where, context)
    yield from _privileges(where, context)
    if container.get("name") == names.CONTAINER:
        yield from _weakened(where, context)


def _of_context(where: str, context: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield the violations that a security context of the pod or of a container can have."""
    for name in ("seccompProfile", "appArmorProfile"):
        if mapping(context.get(name)).get("type") == "Unconfined":
            yield f"{where}.{name}", "the profile must not be Unconfined"
    selinux = mapping(context.get("seLinuxOptions"))
    if selinux.get("type", "") not in _SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield (
            f"{where}.seLinuxOptions",
            f"{_shown(selinux)} is not allowed: only container SELinux types can be set, without a user or role",
        )


def _privileges(where: str, context: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield the privileges that the security context of a container requests."""
    for name in ("privileged", "allowPrivilegeEscalation"):
        if context.get(name):
            yield f"{where}.{name}", "true is not allowed because containers must not gain privileges"
    added = mapping(context.get("capabilities")).get("add")
    if added:
        yield (
            f"{where}.capabilities.add",
            f"{_shown(added)} is not allowed because containers must not add capabilities",
        )


def _weakened(where: str, context: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield the fields of its own security context that TGI's container no longer has."""
    if context.get("allowPrivilegeEscalation") is not False:
        yield f"{where}.allowPrivilegeEscalation", "must remain false"
    dropped = mapping(context.get("capabilities")).get("drop")
    if not _drops_all(dropped):
        yield f"{where}.capabilities.drop", f"{_shown(dropped)} is not allowed because the list must include ALL"


def _drops_all(dropped: object) -> bool:
    return isinstance(dropped, Iterable) and "ALL" in dropped


def _shown(value: object) -> str:
    """Return a value as it is shown in a message."""
    text = json.dumps(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
