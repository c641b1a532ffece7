"""KWOK's handling of nodes, pods and volumes, as one stage for each change of state.

The stages replace a kubelet and a storage driver. Pods have many stages, which differ little:
`pods.yaml` is the table of them, `pods.jq` decides which one is due, and `pods.gotmpl` writes the status. This module
combines them into the objects that KWOK reads. Annotations on a pod script its life.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

_FOLDER = Path(__file__).parent


def render() -> str:
    """Return all stages as one YAML stream."""
    written = (stage for name in ("nodes.yaml", "volumes.yaml") for stage in yaml.safe_load_all(_read(name)))
    return yaml.safe_dump_all([*written, *_pod_stages()])


def _pod_stages() -> Iterator[dict[str, Any]]:
    for name, row in yaml.safe_load(_read("pods.yaml")).items():
        wanted = f"(fromJson `{json.dumps(row['status'])}`)"
        template = f'{_read("pods.gotmpl")}{{{{ template "status" ( set {wanted} "pod" . ) }}}}'
        event = {"event": row["event"]} if "event" in row else {}
        yield _pod_stage(name, event | {"statusTemplate": template}, row.get("after"))
    yield _pod_stage("delete", {"delete": True})


def _pod_stage(name: str, effect: dict[str, Any], after: str | None = None) -> dict[str, Any]:
    functions = _read("pods.jq")
    delay = {"delay": {"durationFrom": {"expressionFrom": f"{functions}\n{after}"}}} if after else {}
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": f"pod-{name}"},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
            "selector": {"matchExpressions": [{"key": f"{functions}\nstage", "operator": "In", "values": [name]}]},
            "next": effect,
            **delay,
        },
    }


def _read(name: str) -> str:
    return (_FOLDER / name).read_text()
