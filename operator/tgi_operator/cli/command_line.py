"""The format of commands on the command line: groups of options, examples, links, and errors in one line."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from tgi_operator.exit_codes import ExitCode

FORMATS = ("yaml", "json")
"""Formats for programs."""

_OPTIONS = "Options"
_KUBERNETES = "Kubernetes options"


class Failure(click.ClickException):
    """An error that ends a command with one line and an exit code."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code


class Option(click.Option):
    """An option that the help shows in a group."""

    def __init__(self, *arguments: Any, group: str, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.group = group


class Command(click.Command):
    """A command whose help has groups of options, examples, and the section of the documentation."""

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), page: str = "", **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.examples = examples
        self.page = page

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group of options under its name."""
        groups: dict[str, list[tuple[str, str]]] = {_OPTIONS: []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                groups.setdefault(getattr(parameter, "group", _OPTIONS), []).append(record)
        for name, records in groups.items():
            if not records:
                continue
            with formatter.section(name):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples and the link."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")
        _write_link(formatter, self.page or f"docs/cli.md#{ctx.command_path.replace(' ', '-')}")


class Group(click.Group):
    """A group of such commands. Without a subcommand it shows its help."""

    command_class = Command
    group_class = type

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the link."""
        _write_link(formatter, "docs/cli.md")


def _write_link(formatter: click.HelpFormatter, page: str) -> None:
    formatter.write_paragraph()
    formatter.write_text(f"Documentation: {page}")


@dataclass(frozen=True)
class Access:
    """The cluster and namespace that a user names, as with kubectl. None means that the kubeconfig decides."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None


def cluster_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add kubectl's options to a command, whose function gets them as `access`."""

    @click.option(
        "-n",
        "--namespace",
        cls=Option,
        group=_KUBERNETES,
        metavar="NAMESPACE",
        help="Namespace. Default: the namespace of the kubeconfig context.",
    )
    @click.option(
        "--context",
        cls=Option,
        group=_KUBERNETES,
        metavar="CONTEXT",
        help="Kubeconfig context. Default: the current context.",
    )
    @click.option(
        "--kubeconfig",
        cls=Option,
        group=_KUBERNETES,
        metavar="FILE",
        type=click.Path(),
        help="Kubeconfig file. Default: the file that KUBECONFIG specifies, or ~/.kube/config.",
    )
    @wraps(function)
    def command(
        *arguments: Any, namespace: str | None, context: str | None, kubeconfig: str | None, **rest: Any
    ) -> Any:
        return function(*arguments, access=Access(namespace, context, kubeconfig), **rest)

    return command


output_option = click.option(
    "-o", "--output", "form", type=click.Choice(FORMATS), help="Machine-readable output format. Default: plain text."
)
"""`-o json` or `-o yaml`."""


def run(group: click.Group, name: str, arguments: Sequence[str]) -> int:
    """Run a command of `group`, which users call `name`. Return the exit code."""
    # https://no-color.org: any value that is not empty. By default, only terminals get colors.
    color = False if os.environ.get("NO_COLOR") else None
    try:
        with group.make_context(name, list(arguments), color=color, max_content_width=100) as context:
            return int(group.invoke(context) or ExitCode.SUCCESS)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.UsageError as error:
        error.show()
        return ExitCode.USAGE
    except Failure as error:
        click.echo(f"{name}: {error.message}", err=True)
        return error.code
    except (KeyboardInterrupt, click.Abort):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has closed it. The interpreter must not complain on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return ExitCode.SUCCESS
