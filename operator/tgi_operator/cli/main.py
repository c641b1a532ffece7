"""`tgi-operator`: the operator, and tools that need no plugin. A command imports what it needs when it runs."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from tgi_operator import __version__
from tgi_operator.cli import shared_commands
from tgi_operator.cli.command_line import Access, Command, Group, Option, cluster_options, output_option, run

NAME = "tgi-operator"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `tgi-operator`. Return the exit code."""
    return start(group, NAME, sys.argv[1:] if arguments is None else arguments)


def start(commands: Group, name: str, arguments: Sequence[str]) -> int:
    """Run a command, or answer the completion script of a shell. Return the exit code."""
    program = name.replace(" ", "-")
    variable = shared_commands.variable(program)
    instruction = os.environ.get(variable)
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(commands, {}, program, variable, instruction)
    return run(commands, name, arguments)


@click.group(cls=Group)
@click.version_option(__version__, prog_name=NAME, message="%(prog)s %(version)s")
def group() -> None:
    """Run the operator, check TGIEndpoints, send prompts to them and fetch weights.

    To show and explain the resources in a cluster, use the kubectl tgi plugin.
    """


class RunCommand(Command):
    """`run`, whose options are the settings. They are read only when needed, because pydantic is slow to load."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the settings as options, in groups."""
        if not self.params:
            from tgi_operator.settings import GROUPS, PREFIX, Settings

            fields = Settings.model_fields
            self.params = [
                Option(
                    [f"--{name.replace('_', '-')}", name],
                    group=title,
                    metavar=shown_values(fields[name].annotation),
                    help=f"{fields[name].description} Default: {shown_default(fields[name].default)}. "
                    f"[{PREFIX}{name.upper()}]",
                )
                for title, names in GROUPS.items()
                for name in names
            ]
        return super().get_params(ctx)


def shown_values(annotation: Any) -> str:
    """Return the values of a setting as the help shows them: its choices, or their type."""
    from typing import Literal, get_args, get_origin

    if get_origin(annotation) is Literal:
        return f"[{'|'.join(get_args(annotation))}]"
    return {int: "NUMBER", float: "NUMBER", str: "TEXT"}.get(annotation, "LIST")


def shown_default(default: Any) -> str:
    """Return the default of a setting as the help shows it."""
    return (",".join(default) if isinstance(default, tuple) else str(default or "")) or "none"


@group.command(
    "run",
    cls=RunCommand,
    short_help="Run the operator, which watches and reconciles TGIEndpoints.",
    examples=("tgi-operator run --log-format text", "tgi-operator run --backends inCluster --watch-namespaces ml,dev"),
    page="docs/operations.md#settings",
)
def run_command(**settings: str | None) -> int:
    """Run the operator until it receives SIGTERM or SIGINT.

    The operator connects to the cluster that KUBECONFIG specifies. If this variable is not set, the operator connects
    to the cluster that its pod runs in or, outside a pod, to the cluster in ~/.kube/config. You can also set each
    option as an environment variable, but the option takes precedence. Separate the items of a LIST with commas.
    """
    from tgi_operator.cli.run import run as operate

    return operate({name: value for name, value in settings.items() if value is not None})


@group.command(
    "invoke",
    short_help="Send a prompt to an endpoint.",
    examples=(
        'tgi-operator invoke zephyr-7b "What is deep learning?"',
        'tgi-operator invoke zephyr-7b --chat "Hello!" -n ml',
    ),
)
@click.argument("name", help="Name of the TGIEndpoint.")
@click.argument("prompt", help="Prompt to send.")
@click.option(
    "--chat", is_flag=True, help="Send the prompt as a chat message, to which TGI applies the model's chat template."
)
@click.option("--no-stream", is_flag=True, help="Print the answer only when it is complete.")
@click.option(
    "--max-new-tokens",
    type=int,
    default=200,
    show_default=True,
    metavar="NUMBER",
    help="Maximum number of tokens in the answer.",
)
@cluster_options
def invoke(access: Access, name: str, prompt: str, max_new_tokens: int, *, chat: bool, no_stream: bool) -> None:
    """Send PROMPT to the TGIEndpoint NAME and print the answer as it arrives.

    For SageMaker, you need AWS credentials with permission to invoke the endpoint, to describe it and to list its tags.
    For pods, the command sends the prompt through the API server.
    """
    from tgi_operator.cli import answers
    from tgi_operator.cli.invoke import invoke as send

    stream = not no_stream
    messages = [answers.message("user", prompt)]
    if chat:
        body = answers.conversation(messages, stream=stream, max_new_tokens=max_new_tokens)
    else:
        body = answers.prompt(prompt, stream=stream, max_new_tokens=max_new_tokens)
    send(access, name, body, stream=stream)


@group.command(
    "fetch",
    short_help="Fetch a model's weights into a folder, as the operator's Jobs do.",
    examples=(
        "tgi-operator fetch hf://HuggingFaceH4/zephyr-7b-beta /data",
        "tgi-operator fetch s3://models/zephyr-7b/ /models/zephyr-7b",
        "tgi-operator fetch file:///models/zephyr-7b",
    ),
    page="docs/operations.md#fetching-weights",
)
@click.argument(
    "source",
    help="Location of the weights: hf://OWNER/NAME, s3://BUCKET/PREFIX/ or file:///PATH. The command only checks the "
    "files in a file:/// location.",
)
@click.argument(
    "directory",
    required=False,
    help="For hf://, the Hugging Face cache. For s3://, the folder for the files.",
)
@click.option("--revision", metavar="REVISION", help="Commit, branch or tag of an hf:// model. Default: main.")
@click.option("--allow-pickle", is_flag=True, help="Accept .bin files if there are no safetensors files.")
@click.option(
    "--adapter",
    "adapters",
    multiple=True,
    metavar="ID[@REVISION]",
    help="LoRA adapter on the Hub to fetch too. You can repeat this option.",
)
@click.option(
    "--trust-remote-code",
    is_flag=True,
    help="Fetch code of other repositories that the configuration of the model names (auto_map).",
)
@click.option(
    "--home",
    metavar="RESOURCE/REVISION",
    help="For hf://, the HF_HOME to create in DIRECTORY/tgi for one revision of a TGIEndpoint. Its commits do not "
    "change once it is complete. Default: update the revision in DIRECTORY itself.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="REVISION",
    help="Other home of the same TGIEndpoint that stays. The command removes all others, with the files that only "
    "they use. You can repeat this option.",
)
@click.option(
    "--progress-seconds",
    type=float,
    default=10.0,
    show_default=True,
    metavar="NUMBER",
    help="Interval between progress lines, in seconds.",
)
def fetch(
    source: str,
    directory: str | None,
    revision: str | None,
    adapters: tuple[str, ...],
    home: str | None,
    keep: tuple[str, ...],
    progress_seconds: float,
    *,
    allow_pickle: bool,
    trust_remote_code: bool,
) -> int:
    """Fetch the weights from SOURCE into DIRECTORY and check them."""
    from tgi_operator.cli.fetch import Options
    from tgi_operator.cli.fetch import fetch as fill

    options = Options(revision, adapters, home, keep, allow_pickle, trust_remote_code)
    return fill(source, directory, progress_seconds, options)


@group.group("catalog", short_help="List the TGI container images for SageMaker.")
def catalog() -> None:
    """List the TGI container images for SageMaker."""


@catalog.command(
    "list",
    short_help="List the known versions and their images.",
    examples=("tgi-operator catalog list --region eu-west-1", "tgi-operator catalog list -o json"),
)
@click.option("--region", default="us-east-1", show_default=True, metavar="REGION", help="AWS region.")
@output_option
def list_catalog(region: str, form: str | None) -> None:
    """List the known TGI versions and their container images."""
    from tgi_operator.cli.catalog import list_images

    list_images(region, form)


@catalog.command(
    "refresh",
    short_help="Regenerate the image catalog from the SageMaker SDK.",
    examples=("uv sync --extra catalog", "tgi-operator catalog refresh"),
)
def refresh() -> None:
    """Regenerate the image catalog in the installed package.

    The command needs the SageMaker SDK, an optional dependency of about 1 GB.
    """
    from tgi_operator.cli.catalog import refresh as regenerate

    regenerate()


shared_commands.add_to(group, NAME)
