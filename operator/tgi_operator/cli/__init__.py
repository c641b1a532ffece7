"""The command `tgi-operator`."""

from tgi_operator.cli.main import main

__all__ = ["main"]
