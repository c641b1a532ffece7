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
"""By list: the field that identifies its items (patchMergeKey of the Kubernetes API, core/v1 types); any other list is
replaced."""


def overlay(base: Any, patch: Any, field: str = "") -> Any:
    """Return `base` with `patch` merged over it; null in the patch removes."""
    if isinstance(base, Mapping) and isinstance(patch, Mapping):
        merged = {name: value for name, value in base.items() if name not in patch}
        for name, value in patch.items():
            if value is not None:
                merged[name] = overlay(base.get(name), value, name)
        return merged
    key = _KEYS.get(field)
    if key is not None and isinstance(patch, list) and _all_have(key, patch) and _all_have(key, base or []):
        return _merged(base or [], patch, key)
    return _without_nulls(patch)


def _all_have(key: str, items: Any) -> bool:
    return isinstance(items, list) and all(
        isinstance(item, Mapping) and isinstance(item.get(key), str | int) for item in items
    )


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value if each is not None] if isinstance(value, list) else value


def _merged(base: Sequence[Any], patch: Sequence[Any], key: str) -> list[Any]:
    changes = {item[key]: item for item in patch}
    kept = [overlay(item, changes.pop(item[key])) if item[key] in changes else item for item in base]
    return [*kept, *(_without_nulls(item) for item in changes.values())]
