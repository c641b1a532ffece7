"""The health of a resource as Argo CD computes it: health.lua runs without most of Lua's standard library."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lupa.lua51 import LuaRuntime

MANIFESTS = Path(__file__).parents[1] / "manifests" / "argocd"
CUSTOMIZATION = MANIFESTS / "resource_customizations" / "tgi-operator.dev" / "TGIEndpoint"
SCRIPT = CUSTOMIZATION / "health.lua"

HEALTH_OF_KSTATUS = {
    "InProgress": "Progressing",
    "Current": "Healthy",
    "Failed": "Degraded",
}
"""The different names of the same facts. Argo CD does not call the script for a resource that is being deleted."""

_MISSING = ("python", "string", "io", "os", "math", "debug", "require", "module", "package", "loadfile", "dofile")
"""The globals that a script from argocd-cm does not have (util/lua/lua.go opens the base library and tables only)."""


def health(resource: Mapping[str, Any]) -> tuple[str, str]:
    """Return the status and the message."""
    # A fresh runtime for each call, as in Argo CD, so that no state is left from the previous resource.
    lua = LuaRuntime(register_eval=False, unpack_returned_tuples=True)
    environment = lua.globals()
    for name in _MISSING:
        environment[name] = None
    environment["obj"] = lua.table_from(resource, recursive=True)
    answer = lua.execute(SCRIPT.read_text())
    return answer["status"], answer["message"]
