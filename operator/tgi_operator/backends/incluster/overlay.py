"""`podTemplate`: the user's last word, merged over what the operator makes, as a strategic merge patch is."""

from collections.abc import Mapping, Sequence
from typing import Any

_KEYS: Mapping[str, str] = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "volumes": "name",
    "imagePullSecrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "hostAliases": "ip",
}
"""By list: the field that tells its items apart (patchMergeKey of the Kubernetes API, core/v1 types); any other list is
replaced."""


def overlay(base: Any, patch: Any, field: str = "") -> Any:
    """Return `base` with `patch` merged over it; null in the patch removes."""
    if isinstance(base, Mapping) and isinstance(patch, Mapping):
        merged = {name: value for name, value in base.items() if name not in patch}
        for name, value in patch.items():
            if value is not None:
                merged[name] = overlay(base.get(name, _empty(value)), value, name)
        return merged
    key = _KEYS.get(field)
    if key is not None and isinstance(base, list) and isinstance(patch, list) and _all_have(key, patch):
        return _merged(base, patch, key)
    return patch


def _empty(value: Any) -> Any:
    """Return what a patch of that type is merged over where there is nothing: nulls in it must not stay."""
    return {} if isinstance(value, Mapping) else None


def _all_have(key: str, items: Sequence[Any]) -> bool:
    return all(isinstance(item, Mapping) and key in item for item in items)


def _merged(base: Sequence[Any], patch: Sequence[Any], key: str) -> list[Any]:
    changes = {item[key]: item for item in patch}
    kept = [overlay(item, changes.pop(item[key])) if item.get(key) in changes else item for item in base]
    return [*kept, *(overlay({}, item) for item in changes.values())]
