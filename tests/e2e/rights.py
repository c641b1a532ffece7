"""The requests of the operator in all end-to-end tests, which run with the chart's permissions and IAM policy.

`python -m e2e.rights FOLDER` reads the records in a folder. If no test uses a permission, no test fails without it:
either the permission is not needed, or a test is missing. A refused request shows a missing permission.

After `make test`, each story has run in the installation that it declares, and each permission has been used in one
of them. After a run with `--installation`, `python -m e2e.rights FOLDER INSTALLATION` compares that installation.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from pathlib import Path

from e2e.conftest import ALLOWED, POLICY
from e2e.installations import INSTALLATIONS, Installation
from tgi_sandbox.cluster import ControlPlane

WITHDRAWN = "withdrawn.txt"
"""A file beside the logs of a control plane, with the namespaces in which a test removed roles from the operator."""

EVERYWHERE = "*"

Right = tuple[str, str, str]
"""API group, resource with its subresource, and verb."""

UNUSED: dict[Right, str] = {
    ("tgi-operator.dev", "tgiendpoints/finalizers", "update"): (
        "no request needs it: without it the API server lets a TGIEndpoint own nothing, and no pod is ever made "
        "(OwnerReferencesPermissionEnforcement)"
    ),
}
"""Permissions whose use the audit log cannot show, each with the reason."""

UNUSED_ACTIONS = {"iam:CreateServiceLinkedRole": "AWS asks for it once in an account, where the role is not there yet"}


def granted(installation: Installation) -> Iterator[Right]:
    """Yield the permissions of the operator's own roles."""
    for role in installation.roles():
        for rule in role["rules"]:
            for group in rule.get("apiGroups", ()):
                for resource in rule["resources"]:
                    yield from ((group, resource, verb) for verb in rule["verbs"])


def used(folder: Path, installations: Iterable[Installation]) -> Iterator[tuple[Right, int]]:
    """Yield the requests of installations' operators on any control plane of this session, and the answers."""
    users = {each.user for each in installations}
    for log in folder.rglob("logs/audit.log"):
        withdrawn = set((log.parent / WITHDRAWN).read_text().split()) if (log.parent / WITHDRAWN).exists() else set()
        for line in log.read_text().splitlines():
            event = json.loads(line)
            if event["user"]["username"] not in users or "objectRef" not in event:
                continue
            about = event["objectRef"]
            resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
            right = (about.get("apiGroup", ""), resource, event["verb"])
            code = int(event.get("responseStatus", {}).get("code", 0))
            if code == HTTPStatus.FORBIDDEN and withdrawn & {about.get("namespace", ""), EVERYWHERE}:
                continue
            yield right, code
            if (event["verb"], code) == ("patch", 201):
                # A server-side apply that creates the object also needs the verb create.
                yield (*right[:2], "create"), code


def withdraw(plane: ControlPlane, namespace: str) -> None:
    """Record that the operator has lost its roles in a namespace, or `EVERYWHERE`: refusals there are expected."""
    with (plane.layout.audit_log.parent / WITHDRAWN).open("a") as file:
        file.write(f"{namespace}\n")


def granted_actions(installations: Iterable[Installation]) -> set[str]:
    """Return the actions of the IAM policy, none if no installation uses AWS."""
    if not any(each.uses_aws for each in installations):
        return set()
    statements = json.loads(POLICY.read_text())["Statement"]
    return {action for each in statements for action in _listed(each["Action"])}


def used_actions(folder: Path, installations: Iterable[Installation]) -> set[str]:
    """Return the actions that installations requested from an AWS emulator of these tests, and that were allowed."""
    files = [json.loads(file.read_text()) for file in folder.rglob(ALLOWED)]
    return {action for allowed in files for each in installations for action in allowed[each.name]}


def problems(folder: Path, installations: Sequence[Installation]) -> Iterator[str]:
    """Yield the problems of the permissions and the policy of installations, combined."""
    found = list(used(folder, installations))
    needed = {right for right, _ in found}
    if not needed:
        yield f"no end-to-end test has run in {folder}"
    yield from (
        f"refused: {right}" for right in sorted({right for right, code in found if code == HTTPStatus.FORBIDDEN})
    )
    given = {right for each in installations for right in granted(each)}
    excused = UNUSED.keys() & given
    yield from (f"never used: {right}" for right in sorted(given - needed - excused))
    unused = granted_actions(installations) - used_actions(folder, installations) - UNUSED_ACTIONS.keys()
    yield from (f"never used: {action}" for action in sorted(unused))


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def main(folder: str, *names: str) -> int:
    """Print the problems; return the exit code."""
    chosen = [each for each in INSTALLATIONS.values() if each.name in names or not names]
    found = list(problems(Path(folder), chosen))
    permissions, actions = {right for each in chosen for right in granted(each)}, granted_actions(chosen)
    where = ", ".join(each.name for each in chosen)
    print("\n".join(found) or f"All {len(permissions)} permissions and {len(actions)} IAM actions are used ({where}).")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
