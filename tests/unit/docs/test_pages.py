"""Everything that the documents name exists: links, commands, settings, metrics, calls, dependencies."""

import argparse
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from tgi_operator import metrics
from tgi_operator.backends.sagemaker.aws import operations
from tgi_operator.backends.sagemaker.seen import state
from tgi_operator.backends.sagemaker.sweep import endpoints
from tgi_operator.cli.main import group as operator_commands
from tgi_operator.cli.plugin import group as plugin_commands
from tgi_operator.schema import reference
from tgi_operator.settings import PREFIX, Settings
from tgi_sandbox.cli import _parser as sandbox_parser
from unit.docs import commands, pages
from unit.docs.pages import PAGES, ROOT

OPERATIONS = ROOT / "docs" / "operations.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
MODULES = ROOT / "sandbox" / "tgi_sandbox" / "cluster" / "modules"
SAGEMAKER = ROOT / "operator" / "tgi_operator" / "backends" / "sagemaker"

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def test_there_are_pages() -> None:
    names = {page.name for page in PAGES}
    assert names >= {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "architecture.md", "operations.md", "sandbox.md"}


@pytest.mark.parametrize("name", reference.PAGES)
def test_generated_pages_are_current(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == reference.PAGES[name](), "run make crds"


def test_pages_are_generated_into_a_folder(tmp_path: Path) -> None:
    reference.main([str(tmp_path)])
    assert {page.name for page in tmp_path.iterdir()} == reference.PAGES.keys()
    assert (tmp_path / "reference.md").read_text() == reference.reference()


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in pages.links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in pages.anchors(target), link


@each_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {match[1] for command in pages.commands(page) if (match := re.match(r"make ([a-z-]+)", command))}
    assert named <= targets


@each_page
def test_commands_are_understood(page: Path) -> None:
    for command in pages.commands(page):
        plain = re.sub(r"^([A-Z_]+=\S+ )*(\.venv/bin/)?| 2> \S+", "", command)
        words = shlex.split(plain.rstrip("&… "), comments=True)
        if words[:2] == ["kubectl", "tgi"]:
            assert commands.understands(plugin_commands, words[2:]), command
        if words[:1] == ["tgi-operator"]:
            assert commands.understands(operator_commands, words[1:]), command
        if len(words) < 2 or words[0] != "tgi-sandbox":
            continue
        if words[:2] == ["tgi-sandbox", "helm"]:
            continue  # the rest is Helm's
        if words[:2] in (["tgi-sandbox", "aws"], ["tgi-sandbox", "tgi"]):
            assert set(words[2::2]) <= {"--port"}, command
            continue
        assert _understands(sandbox_parser(), words[1:]), command


def _understands(parser: argparse.ArgumentParser, words: list[str]) -> bool:
    # A subcommand without its required arguments is checked by its help.
    try:
        parser.parse_args(words if len(words) > 1 else [*words, "--help"])
    except SystemExit as stopped:
        return stopped.code == 0
    return True


def test_inline_flags_are_settings() -> None:
    flags = {f"--{name.replace('_', '-')}" for name in Settings.model_fields}
    named = {word for text in pages.code(OPERATIONS) for word in re.findall(r"--[a-z-]+", text)}
    assert named == flags


def test_settings_are_those_of_the_operator() -> None:
    expected = [
        (f"--{name.replace('_', '-')}", f"{PREFIX}{name.upper()}", _default(field), field.description)
        for name, field in Settings.model_fields.items()
    ]
    assert pages.table(OPERATIONS, "flag") == expected


def _default(field: FieldInfo) -> str:
    found = field.default
    return ",".join(found) or "none" if isinstance(found, tuple) else str(found or "none")


def test_metrics_are_those_of_the_operator() -> None:
    families = {f"{family.name}{'_total' if family.type == 'counter' else ''}" for family in metrics.REGISTRY.collect()}
    assert {row[0] for row in pages.table(OPERATIONS, "metric")} == families


def test_the_policy_allows_the_calls_the_code_makes_and_no_others() -> None:
    sources = "".join(path.read_text() for path in SAGEMAKER.rglob("*.py"))
    verbs = "Add|Create|Delete|Deregister|Describe|List|Put|Register|Update"
    called = set(re.findall(rf'"((?:{verbs})[A-Z]\w+)"', sources))
    called.remove(state.UPDATE_ROLLBACK_FAILED)
    (policy,) = (json.loads(block.text) for block in pages.blocks(OPERATIONS) if block.language == "json")
    assert policy == json.loads((ROOT / "manifests" / "iam" / "operator-policy.json").read_text())
    actions = {action for statement in policy["Statement"] for action in _list(statement["Action"])}
    on_register = {"iam:PassRole", "iam:CreateServiceLinkedRole"}
    assert actions == on_register | {f"{operations.OPERATIONS[operation].service}:{operation}" for operation in called}


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize("page", [OPERATIONS, ARCHITECTURE], ids=lambda page: page.name)
def test_the_time_of_drift_checks_is_that_of_the_defaults(page: Path) -> None:
    minutes = endpoints.READS_OF_A_CHECK / Settings().aws_drift_reads_per_minute
    hours, rest = divmod(1000 * minutes, 60)
    text = " ".join(page.read_text().split())
    assert f"each of 100 resources is checked about every {100 * minutes:.0f} minutes" in text
    assert f"each of 1,000 about every {hours:.0f} hours {rest:.0f} minutes" in text
    assert endpoints.READS_OF_A_CHECK == 6
    assert "up to six reads" in text


def test_every_dependency_has_its_reason() -> None:
    named = {
        name for row in re.findall(r"^\| (`.*?) \|", ARCHITECTURE.read_text(), re.MULTILINE) for name in _code(row)
    }
    assert {folder.name for folder in MODULES.iterdir()} <= named
    for folder in (ROOT, ROOT / "sandbox", ROOT / "ci" / "checkov"):
        project = tomllib.loads((folder / "pyproject.toml").read_text())
        extras = project["project"].get("optional-dependencies", {}).values()
        groups = (*extras, *project.get("dependency-groups", {}).values())
        items = (item for group in groups for item in group)
        wanted = [*project["project"]["dependencies"], *(item for item in items if isinstance(item, str))]
        assert {re.split(r"[<>=!]", item)[0] for item in wanted} <= named


def _code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)
