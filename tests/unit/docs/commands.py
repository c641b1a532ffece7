"""Checks that our commands can parse a command line: nothing runs."""

from collections.abc import Sequence

import click


def understands(group: click.Group, words: Sequence[str]) -> bool:
    """Return whether `group` parses a command line. A command that is named without arguments is accepted."""
    with click.Context(group, info_name="test") as context:
        return _understands(group, context, list(words))


def _understands(command: click.Command, parent: click.Context, words: list[str]) -> bool:
    if isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(parent, words[0])
        return found is not None and _understands(found, parent, words[1:])
    try:
        command.make_context("test", words or ["--help"], parent=parent)
    except click.exceptions.Exit as done:
        return done.exit_code == 0
    except click.UsageError:
        return False
    return True
