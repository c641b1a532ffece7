"""`kubectl tgi`: the kubectl plugin. A command imports what it needs when it runs."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from tgi_operator import __version__
from tgi_operator.cli import shared_commands
from tgi_operator.cli.command_line import Access, Group, cluster_options, output_option
from tgi_operator.cli.main import start
from tgi_operator.exit_codes import ExitCode

NAME = "kubectl tgi"
_NO_FILES = 4
"""The directive by which a plugin keeps kubectl from completing file names."""

_name_argument = click.argument("name", help="Name of the TGIEndpoint.")


def _timeout_option(default: float, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "--timeout", type=click.FloatRange(min=0), default=default, show_default=True, metavar="SECONDS", help=text
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `kubectl tgi`. Return the exit code."""
    return start(group, NAME, sys.argv[1:] if arguments is None else arguments)


def complete(arguments: Sequence[str] | None = None) -> int:
    """Print the completions that `kubectl tgi` requests from `kubectl_complete-tgi`. Return the exit code."""
    from click.shell_completion import ShellComplete

    *before, incomplete = (sys.argv[1:] if arguments is None else list(arguments)) or [""]
    for item in ShellComplete(group, {}, NAME, "").get_completions(before, incomplete):
        click.echo(f"{item.value}\t{item.help}" if item.help else item.value)
    click.echo(f":{_NO_FILES}")
    return ExitCode.SUCCESS


@click.group(cls=Group)
@click.version_option(__version__, prog_name=NAME, message="%(prog)s %(version)s")
def group() -> None:
    """Show, explain and use the TGIEndpoints in a cluster.

    The commands use the same namespace, context and cluster as kubectl.
    """


@group.command(
    "status",
    short_help="Explain the state of a resource.",
    examples=("kubectl tgi status zephyr-7b", "kubectl tgi status zephyr-7b -n ml -o json"),
)
@_name_argument
@output_option
@cluster_options
def status(access: Access, name: str, form: str | None) -> None:
    """Explain the state of the TGIEndpoint NAME.

    Shows the reason, the action to take, the time of the next retry, the conditions, the pods or the AWS resources, and
    recent Events.
    """
    from tgi_operator.cli.explain import status as explain

    explain(access, name, form)


@group.command(
    "wait",
    short_help="Wait until a resource is Ready, or fail immediately if it is Stalled.",
    examples=("kubectl tgi wait zephyr-7b", "kubectl tgi wait zephyr-7b --for Available --timeout 300"),
)
@_name_argument
@click.option(
    "--for",
    "condition",
    type=click.Choice(("Ready", "Available")),
    default="Ready",
    show_default=True,
    help="Condition to wait for.",
)
@_timeout_option(1800, "Maximum time to wait, in seconds.")
@cluster_options
def wait(access: Access, name: str, condition: str, timeout: float) -> None:
    """Wait until a condition of the TGIEndpoint NAME is True for the current spec.

    Exits with code 5 as soon as the resource is Stalled, which means that a user must change something. Exits with code
    6 when the timeout expires.
    """
    from tgi_operator.cli.until import wait as until

    until(access, name, condition, timeout)


@group.command(
    "retry",
    short_help="Request an immediate retry.",
    examples=("kubectl tgi retry zephyr-7b",),
)
@_name_argument
@_timeout_option(120, "Maximum time to wait for the operator, in seconds.")
@cluster_options
def retry(access: Access, name: str, timeout: float) -> None:
    """Request an immediate retry of the TGIEndpoint NAME.

    The operator reads the complete state of the resource again and retries any failed operation. The command sets the
    tgi-operator.dev/requestedAt annotation and waits until status.lastHandledRequest has the same value.
    """
    from tgi_operator.cli.until import retry as request

    request(access, name, timeout)


@group.command(
    "chat",
    short_help="Chat with a model.",
    examples=(
        "kubectl tgi chat zephyr-7b",
        'kubectl tgi chat zephyr-7b "What is deep learning?"',
        "kubectl tgi chat zephyr-7b < questions.txt",
    ),
)
@_name_argument
@click.argument("prompt", required=False, help="Single prompt. Default: each line of standard input.")
@click.option(
    "--max-new-tokens",
    type=int,
    default=512,
    show_default=True,
    metavar="NUMBER",
    help="Maximum number of tokens in the answer.",
)
@cluster_options
def chat(access: Access, name: str, prompt: str | None, max_new_tokens: int) -> None:
    """Chat with the model of the TGIEndpoint NAME, using the model's chat template.

    Sends PROMPT and prints the answer. If you omit PROMPT, the command sends each line of standard input as the next
    prompt in a conversation. To end the conversation, press Ctrl-D.
    """
    from tgi_operator.cli.invoke import chat as talk

    talk(access, name, _lines() if prompt is None else [prompt], max_new_tokens)


def _lines() -> Iterator[str]:
    """Yield the lines that a user types, or those of a file."""
    while True:
        try:
            line = input("> " if sys.stdin.isatty() else "")
        except EOFError:
            return
        if line.strip():
            yield line


@group.command(
    "logs",
    short_help="Print the logs, or their location in CloudWatch.",
    examples=("kubectl tgi logs zephyr-7b", "kubectl tgi logs zephyr-7b --tail 500"),
)
@_name_argument
@click.option(
    "--tail",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    metavar="LINES",
    help="Number of lines to print for each container.",
)
@cluster_options
def logs(access: Access, name: str, tail: int) -> None:
    """Print the last log lines of the containers that serve the TGIEndpoint NAME or fetch its weights.

    For SageMaker, the command prints the CloudWatch log group and an AWS CLI command that reads it.
    """
    from tgi_operator.cli.reaching import logs as show

    show(access, name, tail)


@group.command("url", short_help="Print the URL for requests.", examples=("kubectl tgi url zephyr-7b",))
@_name_argument
@cluster_options
def url(access: Access, name: str) -> None:
    """Print the URL for requests to the TGIEndpoint NAME."""
    from tgi_operator.cli.reaching import url as show

    show(access, name)


@group.command(
    "events",
    short_help="List the Events of a resource and its pods.",
    examples=("kubectl tgi events zephyr-7b", "kubectl tgi events zephyr-7b -o yaml"),
)
@_name_argument
@output_option
@cluster_options
def events(access: Access, name: str, form: str | None) -> None:
    """List the Events of the TGIEndpoint NAME and its pods, oldest first."""
    from tgi_operator.cli.explain import events as show

    show(access, name, form)


shared_commands.add_to(group, NAME)
