"""Which namespace may use which execution role."""

import os
from pathlib import Path

import pytest

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.sagemaker.allowed_roles import AllowedRoles

ROLE = "arn:aws:iam::111122223333:role/"
FILE = f"""\
namespaces:
  ml: ["{ROLE}tgi-exec-ml"]
  team-*: ["{ROLE}teams/*"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "roles.yaml"
    made.write_text(FILE)
    return made


@pytest.mark.parametrize(
    ("namespace", "role", "allowed"),
    [
        ("ml", "tgi-exec-ml", True),
        ("ml", "tgi-exec-ml-admin", False),
        ("ml", "teams/a", False),
        ("team-a", "teams/a", True),
        ("team-a", "tgi-exec-ml", False),
        ("other", "tgi-exec-ml", False),
    ],
)
def test_a_namespace_may_use_its_own_roles(file: Path, namespace: str, role: str, allowed: bool) -> None:
    problem = AllowedRoles(str(file)).problem(namespace, f"{ROLE}{role}")
    assert (problem is None) is allowed
    if problem is not None:
        assert problem.reason is Reason.ROLE_NOT_ALLOWED
        assert f"{ROLE}{role} may not be used in namespace {namespace}" in problem.message


def test_without_a_file_every_role_is_allowed() -> None:
    assert AllowedRoles("").problem("ml", f"{ROLE}any") is None


@pytest.mark.parametrize("text", ["roles: {}", "namespaces: [ml]", "namespaces: {ml: 1}", "{", ""])
def test_a_file_that_cannot_be_read_allows_nothing(file: Path, text: str) -> None:
    file.write_text(text)
    problem = AllowedRoles(str(file)).problem("ml", f"{ROLE}tgi-exec-ml")
    assert problem is not None
    assert "cannot be read" in problem.message


def test_a_missing_file_allows_nothing(tmp_path: Path) -> None:
    assert AllowedRoles(str(tmp_path / "none")).problem("ml", ROLE) is not None


def test_a_changed_file_is_read_again(file: Path) -> None:
    roles = AllowedRoles(str(file))
    assert roles.problem("dev", f"{ROLE}dev") is not None
    file.write_text(FILE + f'  dev: ["{ROLE}dev"]\n')
    os.utime(file, (1, 1))
    assert roles.problem("dev", f"{ROLE}dev") is None
