"""What Argo CD says of the health of a resource: it runs health.lua with next to nothing of Lua's library."""

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
"""How the two call the same. Argo CD does not ask the script about what is being deleted."""

_MISSING = ("python", "string", "io", "os", "math", "debug", "require", "module", "package", "loadfile", "dofile")
"""What a script from argocd-cm does without (util/lua/lua.go opens the base library and tables only)."""


def health(resource: Mapping[str, Any]) -> tuple[str, str]:
    """Return the status and the message."""
    # A fresh runtime each time, as Argo CD has, so that nothing is left from the resource before.
    lua = LuaRuntime(register_eval=False, unpack_returned_tuples=True)
    environment = lua.globals()
    for name in _MISSING:
        environment[name] = None
    environment["obj"] = lua.table_from(resource, recursive=True)
    answer = lua.execute(SCRIPT.read_text())
    return answer["status"], answer["message"]
