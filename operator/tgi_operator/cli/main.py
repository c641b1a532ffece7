"""TGIEndpoints: run the operator, see what it would do, ask an endpoint something."""

import argparse
import os
import sys

from tgi_operator import __version__
from tgi_operator.settings import PREFIX, Settings

_PLAN = "print the AWS calls or objects a file would lead to, offline"


def main(arguments: list[str] | None = None) -> int:
    """Run `tgi-operator`; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read the output has seen enough; the interpreter must not complain at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of all subcommands. A subcommand is imported when it is run."""
    root = argparse.ArgumentParser(prog="tgi-operator", description=__doc__)
    root.add_argument("--version", action="version", version=f"tgi-operator {__version__}")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="watch TGIEndpoints and reconcile them"))
    _add_invoke(commands.add_parser("invoke", help="ask an endpoint something"))
    _add_plan(commands.add_parser("plan", help=_PLAN))
    _add_fetch(commands.add_parser("fetch", help="fill a folder with a model's weights, as the operator's Jobs do"))
    _add_catalog(commands.add_parser("catalog", help="the container images of TGI"))
    return root


def _add_run(command: argparse.ArgumentParser) -> None:
    for name, field in Settings.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        text = f"{field.description} ({PREFIX}{name.upper()}, default: {default or 'none'})"
        command.add_argument(flag, dest=name, metavar="VALUE", help=text)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from tgi_operator.cli.run import run

    flags = {name: value for name in Settings.model_fields if (value := getattr(options, name)) is not None}
    return run(flags)


def _add_invoke(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", help="name of the TGIEndpoint")
    command.add_argument("prompt", help="what to ask")
    command.add_argument("-n", "--namespace", default="default", help="its namespace (default: default)")
    command.add_argument("--chat", action="store_true", help="as a message of a chat, with the model's template")
    command.add_argument("--no-stream", action="store_true", help="print the answer when it is complete")
    command.add_argument("--max-new-tokens", type=int, default=200, help="longest answer, in tokens (default: 200)")
    command.set_defaults(run=_invoke)


def _invoke(options: argparse.Namespace) -> int:
    from tgi_operator.cli.invoke import invoke

    return invoke(
        options.namespace,
        options.name,
        options.prompt,
        chat=options.chat,
        stream=not options.no_stream,
        max_new_tokens=options.max_new_tokens,
    )


def _add_plan(command: argparse.ArgumentParser) -> None:
    command.description = (
        f"{_PLAN}; the operator's settings, such as {PREFIX}AWS_REGIONS, are read from the environment"
    )
    command.add_argument("-f", "--filename", required=True, help="YAML file, a folder of them, or - for standard input")
    command.add_argument("-n", "--namespace", default="default", help="namespace of what names none")
    command.set_defaults(run=_plan)


def _plan(options: argparse.Namespace) -> int:
    from tgi_operator.cli.plan import plan

    return plan(options.filename, options.namespace)


def _add_fetch(command: argparse.ArgumentParser) -> None:
    command.add_argument("source", help="hf://OWNER/NAME, s3://BUCKET/PREFIX/, or file:///PATH, which is only checked")
    command.add_argument("directory", nargs="?", help="where to: the Hugging Face cache, or the folder of the files")
    command.add_argument("--revision", help="commit, branch or tag of an hf:// model (default: main)")
    command.add_argument("--allow-pickle", action="store_true", help="take .bin weights where there are no safetensors")
    command.add_argument(
        "--progress-seconds", type=float, default=10.0, metavar="N", help="time between two lines (default: 10)"
    )
    command.set_defaults(run=_fetch)


def _fetch(options: argparse.Namespace) -> int:
    from tgi_operator.cli.fetch import fetch

    return fetch(
        options.source,
        options.directory,
        options.revision,
        options.progress_seconds,
        allow_pickle=options.allow_pickle,
    )


def _add_catalog(command: argparse.ArgumentParser) -> None:
    commands = command.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="print the known versions and their images")
    listing.add_argument("--region", default="us-east-1", help="AWS region (default: us-east-1)")
    listing.set_defaults(run=_list)
    refresh = commands.add_parser("refresh", help="make the table anew from the SageMaker SDK")
    refresh.set_defaults(run=_refresh)


def _list(options: argparse.Namespace) -> int:
    from tgi_operator.cli.catalog import list_images

    return list_images(options.region)


def _refresh(_: argparse.Namespace) -> int:
    from tgi_operator.cli.catalog import refresh

    return refresh()


if __name__ == "__main__":
    sys.exit(main())
