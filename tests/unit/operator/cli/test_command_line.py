"""The command lines: help, suggestions, exit codes, completion, colors, and the cost of a start."""

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tgi_operator.cli import invoke, main, plugin
from tgi_operator.cli.command_line import Command, Failure, Group, run
from tgi_operator.exit_codes import ExitCode
from tgi_operator.settings import GROUPS, PREFIX, Settings
from unit.docs import pages
from unit.docs.commands import understands
from unit.docs.pages import ROOT

PAGE = ROOT / "docs" / "cli.md"
GROUPS_OF_COMMANDS = {main.NAME: main.group, plugin.NAME: plugin.group}


def commands(name: str, group: click.Group) -> Iterator[tuple[str, Command]]:
    """Yield every command with its full name."""
    for each in group.commands.values():
        if isinstance(each, click.Group):
            yield from commands(f"{name} {each.name}", each)
        else:
            assert isinstance(each, Command)
            yield f"{name} {each.name}", each


ALL = {full: command for name, group in GROUPS_OF_COMMANDS.items() for full, command in commands(name, group)}

each_command = pytest.mark.parametrize("name", ALL)


def shown(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the help of a command."""
    start = plugin.main if name.startswith(plugin.NAME) else main.main
    assert start([*name.removeprefix(plugin.NAME).removeprefix(main.NAME).split(), "--help"]) == 0
    return capsys.readouterr().out


@each_command
def test_help_has_examples_that_are_understood_and_a_link_that_leads_somewhere(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shown(name, capsys)
    assert ALL[name].examples
    for example in ALL[name].examples:
        assert f"\n  {example}\n" in out
        if name in example:
            command = re.sub(r" [<|>] .*|[)].*", "", example[example.index(name) :])
            words = shlex.split(command.removeprefix(name))
            assert understands(GROUPS_OF_COMMANDS[_program(name)], [*name.removeprefix(_program(name)).split(), *words])
    (link,) = re.findall(r"^Documentation: (\S+)$", out, re.MULTILINE)
    path, _, anchor = link.partition("#")
    assert anchor in pages.anchors(ROOT / path)


def _program(name: str) -> str:
    return plugin.NAME if name.startswith(plugin.NAME) else main.NAME


@each_command
def test_the_page_shows_the_help_of_every_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if ALL[name].page:
        return  # it is documented elsewhere
    (block,) = [each.text for each in pages.blocks(PAGE, name) if each.language == "text"]
    assert block == shown(name, capsys)


def test_both_programs_have_the_same_shared_commands() -> None:
    for name in ("plan", "version", "completion"):
        ours, plugins = main.group.commands[name], plugin.group.commands[name]
        assert [each.name for each in ours.params] == [each.name for each in plugins.params]


@pytest.mark.parametrize(("name", "group"), GROUPS_OF_COMMANDS.items())
def test_help_of_a_group_lists_its_commands(name: str, group: Group, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(group, name, ["--help"]) == 0
    out = capsys.readouterr().out
    for command in group.commands:
        assert f"\n  {command}  " in out
    assert out.endswith("\nDocumentation: docs/cli.md\n")


def test_a_command_that_is_missing_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("Usage: tgi-operator ")


@pytest.mark.parametrize(
    ("arguments", "usage", "hint"),
    [
        (["paln"], "tgi-operator [OPTIONS] COMMAND", "No such command 'paln'. Did you mean 'plan'?"),
        (["plan", "--strct", "x"], "tgi-operator plan ", "No such option '--strct'. Did you mean '--strict'?"),
        (["plan", "-f", "x", "-o", "jsn"], "tgi-operator plan ", "'jsn' is not one of 'yaml', 'json', 'github'."),
        (["run", "--worker", "8"], "tgi-operator run ", "Did you mean '--workers'?"),
        (["invoke", "zephyr"], "tgi-operator invoke ", "Missing argument 'PROMPT'"),
        (["catalog", "lst"], "tgi-operator catalog ", "Did you mean 'list'?"),
    ],
)
def test_a_misspelling_shows_the_usage_of_the_command_and_what_was_meant(
    arguments: list[str], usage: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(arguments) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"Usage: {usage}")
    assert hint in err


def test_every_setting_is_an_option_in_one_group(capsys: pytest.CaptureFixture[str]) -> None:
    names = [name for names in GROUPS.values() for name in names]
    assert sorted(names) == sorted(Settings.model_fields)
    out = shown("tgi-operator run", capsys)
    sections = re.split(r"^(\S.*):$", out, flags=re.MULTILINE)
    for title, group in GROUPS.items():
        section = " ".join(sections[sections.index(title) + 1].split())
        for name in group:
            field = Settings.model_fields[name]
            assert f"--{name.replace('_', '-')} " in section
            # The help breaks words at their hyphens.
            assert (field.description or "").replace("- ", "-") in section.replace("- ", "-")
            assert f"[{PREFIX}{name.upper()}]" in section
    assert "--log-level [DEBUG|INFO|WARNING|ERROR]" in out


def test_the_page_has_the_exit_codes() -> None:
    assert pages.table(PAGE, "exit code") == [(str(int(code)), code.doc.replace("`", "")) for code in ExitCode]


def test_every_exit_code_is_a_number_only_in_the_table() -> None:
    sources = [ROOT / "operator" / "tgi_operator" / "cli", ROOT / "operator" / "tgi_operator" / "weights"]
    for file in (file for folder in sources for file in folder.rglob("*.py")):
        assert not re.search(r"\b(return|exit_code =|_exit\() ?\d", file.read_text()), file


def probe(*raised: BaseException) -> Group:
    """Return a program whose only command raises."""

    @click.group(cls=Group)
    def group() -> None:
        pass

    @group.command("probe")
    def command() -> None:
        for each in raised:
            raise each

    return group


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        ((), ExitCode.SUCCESS, ""),
        ((Failure("It failed."),), ExitCode.FAILED, "probe: It failed.\n"),
        ((Failure("It waits.", ExitCode.STALLED),), ExitCode.STALLED, "probe: It waits.\n"),
        ((KeyboardInterrupt(),), ExitCode.INTERRUPTED, ""),
    ],
)
def test_exit_codes_of_errors(
    raised: tuple[BaseException, ...], code: ExitCode, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(probe(*raised), "probe", ["probe"]) == code
    assert capsys.readouterr().err == message


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"{Path(sys.executable).with_name('tgi-operator')} catalog list | true"
    done = subprocess.run(["/bin/bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("variable", "colored"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)])
def test_colors_are_for_terminals_without_no_color(
    variable: dict[str, str], colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    @click.group(cls=Group)
    def group() -> None:
        pass

    @group.command("probe")
    def command() -> None:
        click.echo(click.style("Ready", fg="green"))

    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert run(group, "probe", ["probe"]) == 0
    assert ("\x1b[32m" in terminal.getvalue()) == colored
    plain = io.StringIO()
    monkeypatch.setattr(sys, "stdout", plain)
    assert run(group, "probe", ["probe"]) == 0
    assert plain.getvalue() == "Ready\n"


HEAVY = ("pydantic", "yaml", "aiohttp", "kubernetes", "kopf", "botocore", "boto3", "huggingface_hub", "rich", "asyncio")


@pytest.mark.parametrize("arguments", [["fetch", "--help"], ["--help"], ["plan", "--help"], ["invoke", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom tgi_operator.cli.main import main\n"
        f"assert main({arguments!r}) == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(("start", "program"), [(main.main, "tgi-operator"), (plugin.main, "kubectl-tgi")])
def test_completion_scripts_ask_the_program(
    shell: str, start: object, program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(start)
    assert start(["completion", shell]) == 0
    script = capsys.readouterr().out
    variable = f"_{program.upper().replace('-', '_')}_COMPLETE"
    assert f"{variable}={shell}_complete" in script
    environment = {**os.environ, variable: f"{shell}_complete", "COMP_WORDS": f"{program} ver"}
    environment["COMP_CWORD"] = "ver" if shell == "fish" else "1"
    command = [str(Path(sys.executable).with_name(program))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "version" in done.stdout


def test_kubectl_completes_the_plugin(capsys: pytest.CaptureFixture[str]) -> None:
    assert plugin.complete(["wait", "zephyr", "--for", ""]) == 0
    assert capsys.readouterr().out == "Ready\nAvailable\n:4\n"
    assert plugin.complete([""]) == 0
    assert "\nstatus\tExplain the state of a resource" in capsys.readouterr().out


def test_chat_sends_the_whole_conversation(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    sent: list[list[dict[str, str]]] = []

    async def answered(*_: object, stream: bool) -> str:
        assert stream
        body = _[2]
        assert isinstance(body, dict)
        sent.append(list(body["messages"]))
        return f"Answer {len(sent)}."

    monkeypatch.setattr(invoke, "_invoke", answered)
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello!\n\nAnd now?\n"))
    assert plugin.main(["chat", "zephyr", "-n", "ml"]) == 0
    assert capsys.readouterr().out == ""
    assert sent[0] == [{"role": "user", "content": "Hello!"}]
    assert sent[1] == [*sent[0], {"role": "assistant", "content": "Answer 1."}, {"role": "user", "content": "And now?"}]
