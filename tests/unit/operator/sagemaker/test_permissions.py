"""The execution roles and the endpoint names that a namespace is allowed to use."""

import os
from pathlib import Path

import pytest

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.sagemaker.permissions import Permissions

ROLE = "arn:aws:iam::111122223333:role/"
FILE = f"""\
namespaces:
  ml:
    executionRoles: ["{ROLE}tgi-exec-ml"]
    endpointNames: [prod-llm, chat-*]
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
    problem = Permissions(str(file)).role_problem(namespace, f"{ROLE}{role}")
    assert (problem is None) is allowed
    if problem is not None:
        assert problem.reason is Reason.ROLE_NOT_ALLOWED
        assert (
            f"spec.sageMaker.executionRoleARN: {ROLE}{role} is not allowed in namespace {namespace} " in problem.message
        )


@pytest.mark.parametrize(
    ("namespace", "name", "allowed"),
    [
        ("ml", "prod-llm", True),
        ("ml", "prod-llm-2", False),
        ("ml", "chat-a", True),
        ("team-a", "prod-llm", False),
        ("team-a", "team-a-x", False),
        ("other", "chat-a", False),
    ],
)
def test_a_namespace_may_use_the_names_of_its_entry(file: Path, namespace: str, name: str, allowed: bool) -> None:
    problem = Permissions(str(file)).name_problem(namespace, name)
    assert (problem is None) is allowed
    if problem is not None:
        assert problem.reason is Reason.ENDPOINT_NAME_NOT_ALLOWED
        assert f"spec.sageMaker.endpointName: {name} is not allowed in namespace {namespace} " in problem.message


def test_without_a_file_every_role_is_allowed_and_no_name() -> None:
    assert Permissions("").role_problem("ml", f"{ROLE}any") is None
    assert Permissions("").name_problem("ml", "ml-chat") is not None


def test_entries_of_names_alone_leave_roles_open(file: Path) -> None:
    file.write_text("namespaces: {ml: {endpointNames: [prod-llm]}}")
    assert Permissions(str(file)).role_problem("dev", f"{ROLE}any") is None
    assert Permissions(str(file)).name_problem("ml", "prod-llm") is None


def test_an_empty_list_of_roles_allows_none(file: Path) -> None:
    file.write_text("namespaces: {ml: {executionRoles: []}}")
    assert Permissions(str(file)).role_problem("ml", f"{ROLE}any") is not None
    assert Permissions(str(file)).role_problem("dev", f"{ROLE}any") is not None


@pytest.mark.parametrize(
    "text", ["roles: {}", "namespaces: [ml]", "namespaces: {ml: 1}", "namespaces: {ml: {roles: []}}", "{", ""]
)
def test_a_file_that_cannot_be_read_allows_nothing(file: Path, text: str) -> None:
    file.write_text(text)
    permissions = Permissions(str(file))
    for problem in (permissions.role_problem("ml", f"{ROLE}tgi-exec-ml"), permissions.name_problem("ml", "prod-llm")):
        assert problem is not None
        assert "cannot be read" in problem.message


def test_a_missing_file_allows_nothing(tmp_path: Path) -> None:
    permissions = Permissions(str(tmp_path / "none"))
    assert permissions.role_problem("ml", ROLE) is not None
    assert permissions.name_problem("ml", "prod-llm") is not None


def test_a_changed_file_is_read_again(file: Path) -> None:
    permissions = Permissions(str(file))
    assert permissions.role_problem("dev", f"{ROLE}dev") is not None
    file.write_text(FILE + f'  dev: ["{ROLE}dev"]\n')
    os.utime(file, (1, 1))
    assert permissions.role_problem("dev", f"{ROLE}dev") is None
