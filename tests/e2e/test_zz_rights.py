"""After all other tests, which ran with the rights that the operator is installed with: each of those was needed.

A rule that no test uses could be taken away without one failing, so it is one too many, or a test is missing.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.conftest import ACCESS_KEY, HOME, INSTALLED, POLICY
from tgi_sandbox.aws.server import AwsDouble

USER = f"system:serviceaccount:{HOME}:tgi-operator"

Right = tuple[str, str, str]
"""API group, resource with its subresource, and verb."""

UNUSED: dict[Right, str] = {
    ("tgi-operator.dev", "tgiendpoints/finalizers", "update"): "only where OwnerReferencesPermissionEnforcement is on",
    ("monitoring.coreos.com", "podmonitors", "watch"): "a PodMonitor API is there only after the operator has started",
    ("monitoring.coreos.com", "podmonitors", "list"): "the same",
}
"""Rights that the sandbox cannot show, each with the reason."""


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
    for log in folder.glob("*/logs/audit.log"):
        for line in log.read_text().splitlines():
            event = json.loads(line)
            if event["user"]["username"] != USER or "objectRef" not in event:
                continue
            about = event["objectRef"]
            resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
            yield (
                (about.get("apiGroup", ""), resource, event["verb"]),
                int(event.get("responseStatus", {}).get("code", 0)),
            )


def test_each_right_is_used_and_none_is_missing(tmp_path_factory: pytest.TempPathFactory) -> None:
    found = list(used(tmp_path_factory.getbasetemp()))
    assert found
    refused = {right for right, code in found if code == 403}
    assert refused == set()
    needed = {right for right, _ in found}
    assert set(granted()) - needed - UNUSED.keys() == set()
    assert UNUSED.keys() <= set(granted()), "a right that is gone needs no reason"


def test_each_action_of_the_iam_policy_is_used(aws: AwsDouble) -> None:
    """That none is missing is told by all the tests before."""
    statements = json.loads(POLICY.read_text())["Statement"]
    granted_actions = {action for each in statements for action in _listed(each["Action"])}
    # AWS asks for it once in an account, where the role is not there yet.
    assert granted_actions - aws.control.allowed(ACCESS_KEY) == {"iam:CreateServiceLinkedRole"}


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
