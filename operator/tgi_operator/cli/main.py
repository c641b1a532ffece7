"""Subcommands and their flags."""

import argparse
import sys

from tgi_operator.settings import PREFIX, Settings


def main(arguments: list[str] | None = None) -> int:
    """Run `tgi-operator`; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of all subcommands. A subcommand is imported when it is run."""
    root = argparse.ArgumentParser(prog="tgi-operator", description=__doc__)
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="watch TGIEndpoints and reconcile them"))
    return root


def _add_run(command: argparse.ArgumentParser) -> None:
    for name, field in Settings.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        text = f"{field.description} ({PREFIX}{name.upper()}, default: {default or 'none'})"
        command.add_argument(flag, dest=name, metavar="VALUE", help=text)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from tgi_operator.cli.run import run  # noqa: PLC0415 - the other subcommands need neither kopf nor boto3

    flags = {name: value for name in Settings.model_fields if (value := getattr(options, name)) is not None}
    return run(flags)


if __name__ == "__main__":
    sys.exit(main())
