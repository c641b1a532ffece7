"""What the operator asked for in all end-to-end tests, which ran with the rights and the IAM policy that go with it.

`python -m e2e.rights FOLDER` reads what they left in a folder. A right that no test uses could be taken away without
one failing: it is one too many, or a test is missing. One that is refused is missing.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from e2e.conftest import ALLOWED, HOME, INSTALLED, POLICY

USER = f"system:serviceaccount:{HOME}:tgi-operator"

UNINSTALLED = "uninstalled"
"""A file beside the logs of a control plane that lost the operator's roles in the end: refusals there tell nothing."""

Right = tuple[str, str, str]
"""API group, resource with its subresource, and verb."""

UNUSED: dict[Right, str] = {
    ("tgi-operator.dev", "tgiendpoints/finalizers", "update"): (
        "no request needs it: without it the API server lets a TGIEndpoint own nothing, and no pod is ever made "
        "(OwnerReferencesPermissionEnforcement)"
    ),
}
"""Rights that the audit log cannot show, each with the reason."""

UNUSED_ACTIONS = {"iam:CreateServiceLinkedRole": "AWS asks for it once in an account, where the role is not there yet"}


def granted() -> Iterator[Right]:
    """Yield what the operator's own roles allow."""
    for manifest in yaml.safe_load_all(INSTALLED.read_text()):
        if manifest["kind"] not in ("ClusterRole", "Role") or "aggregationRule" in manifest:
            continue
        if not manifest["metadata"]["name"].startswith("tgi-operator") or _is_of_users(manifest):
            continue
        for rule in manifest["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    yield from ((group, resource, verb) for verb in rule["verbs"])


def _is_of_users(manifest: dict[str, Any]) -> bool:
    labels = manifest["metadata"].get("labels", {})
    return any(label.startswith("rbac.authorization.k8s.io/aggregate-to-") for label in labels)


def used(folder: Path) -> Iterator[tuple[Right, int]]:
    """Yield what the operator asked for on any control plane of this session, and the answers."""
    for log in folder.rglob("logs/audit.log"):
        if (log.parent / UNINSTALLED).exists():
            continue
        for line in log.read_text().splitlines():
            event = json.loads(line)
            if event["user"]["username"] != USER or "objectRef" not in event:
                continue
            about = event["objectRef"]
            resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
            right = (about.get("apiGroup", ""), resource, event["verb"])
            code = int(event.get("responseStatus", {}).get("code", 0))
            yield right, code
            if (event["verb"], code) == ("patch", 201):
                # A server-side apply that makes the object has to be allowed as create too.
                yield (*right[:2], "create"), code


def granted_actions() -> set[str]:
    """Return the actions of the IAM policy."""
    statements = json.loads(POLICY.read_text())["Statement"]
    return {action for each in statements for action in _listed(each["Action"])}


def used_actions(folder: Path) -> set[str]:
    """Return the actions that an AWS double of these tests was asked for and allowed."""
    return {action for file in folder.rglob(ALLOWED) for action in json.loads(file.read_text())}


def problems(folder: Path) -> Iterator[str]:
    """Yield what is wrong with the rights and the policy."""
    found = list(used(folder))
    needed = {right for right, _ in found}
    if not needed:
        yield f"no end-to-end test has run in {folder}"
    yield from (f"refused: {right}" for right in sorted({right for right, code in found if code == 403}))
    yield from (f"never used: {right}" for right in sorted(set(granted()) - needed - UNUSED.keys()))
    yield from (f"not granted, and excused: {right}" for right in sorted(UNUSED.keys() - set(granted())))
    unused = granted_actions() - used_actions(folder) - UNUSED_ACTIONS.keys()
    yield from (f"never used: {action}" for action in sorted(unused))


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def main(folder: str) -> int:
    """Print what is wrong; return the exit code."""
    found = list(problems(Path(folder)))
    print("\n".join(found) or f"All {len(set(granted()))} rights and {len(granted_actions())} IAM actions are used.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
