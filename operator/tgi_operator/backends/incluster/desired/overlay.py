"""`podTemplate` merged over the rendered pod template, as a strategic merge patch."""

from collections.abc import Mapping, Sequence
from typing import Any

_KEYS: Mapping[str, str] = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumes": "name",
    "imagePullSecrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "hostAliases": "ip",
}
"""By list: the field that identifies its items (patchMergeKey of the Kubernetes API, core/v1 types).

Any other list is replaced.
"""

_ACTIONS = frozenset({"exec", "grpc", "httpGet", "sleep", "tcpSocket"})
_SOURCES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "hostPath",
        "nfs",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_EXCLUSIVE: Mapping[str, frozenset[str]] = {
    "env": frozenset({"value", "valueFrom"}),
    "valueFrom": frozenset({"configMapKeyRef", "fieldRef", "resourceFieldRef", "secretKeyRef"}),
    "volumes": _SOURCES,
    "livenessProbe": _ACTIONS,
    "readinessProbe": _ACTIONS,
    "startupProbe": _ACTIONS,
    "postStart": _ACTIONS,
    "preStop": _ACTIONS,
}
"""By field: its mutually exclusive fields. One of them in the patch replaces any other."""


def overlay(base: Any, patch: Any, field: str = "") -> Any:
    """Return `base` with `patch` merged over it. Both are the value, or an item, of `field`."""
    if isinstance(base, Mapping) and isinstance(patch, Mapping):
        exclusive = _EXCLUSIVE.get(field, frozenset())
        replaced = exclusive if exclusive & patch.keys() else frozenset()
        merged = {name: value for name, value in base.items() if name not in patch and name not in replaced}
        return merged | {name: overlay(base.get(name), value, name) for name, value in patch.items()}
    if isinstance(base, Sequence) and not isinstance(base, str) and field in _KEYS:
        return _merged(base, patch, field)
    return patch


def _merged(base: Sequence[Any], patch: Sequence[Any], field: str) -> list[Any]:
    key = _KEYS[field]
    changes = {item[key]: item for item in patch}
    kept = [overlay(item, changes.pop(item[key], {}), field) for item in base]
    return [*kept, *changes.values()]
