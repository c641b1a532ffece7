"""The namespace and the cluster that kubectl would use."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tgi_operator.cli.command_line import Access, Failure

_DEFAULT = "default"
POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""The namespace of this pod, if the process runs in one."""


def namespace(access: Access) -> str:
    """Return the namespace of `-n`, else of the kubeconfig's context, else of this pod, else `default`.

    Raises Failure for an unreadable kubeconfig and for a missing context.
    """
    if access.namespace:
        return access.namespace
    if _in_pod(access):
        return POD_NAMESPACE.read_text().strip() if POD_NAMESPACE.is_file() else _DEFAULT
    files = list(_kubeconfigs(access))
    current = access.context or next((name for each in files if (name := each.get("current-context"))), None)
    contexts = (context for each in files for context in each.get("contexts") or ())
    found = next((each.get("context") or {} for each in contexts if each.get("name") == current), None)
    if found is None and access.context:
        raise Failure(
            f"the kubeconfig has no context named {access.context!r}; to list all contexts, run kubectl config "
            "get-contexts"
        )
    return str((found or {}).get("namespace") or _DEFAULT)


def _in_pod(access: Access) -> bool:
    given = access.kubeconfig or access.context or os.environ.get("KUBECONFIG") is not None
    return not given and "KUBERNETES_SERVICE_HOST" in os.environ


def _kubeconfigs(access: Access) -> Iterator[dict[str, Any]]:
    """Yield the kubeconfig files in the order in which kubectl merges them: the first one that sets a value wins."""
    import yaml

    paths = access.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    for name in paths.split(os.pathsep):
        path = Path(name).expanduser()
        if not name or not path.is_file():
            continue
        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise Failure(f"{path}: invalid kubeconfig: {' '.join(str(error).split())}") from None
        if isinstance(found, dict):
            yield found
