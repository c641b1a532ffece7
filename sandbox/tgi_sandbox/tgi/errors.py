"""The startup failures of text-generation-launcher: the exact text, the exit status and the step."""

from __future__ import annotations

import json
from enum import Enum


class Stage(Enum):
    """The step of `main` in launcher/src/main.rs at which the launcher gives up."""

    ARGUMENTS = "arguments"
    DOWNLOAD = "download"
    SHARDS = "shards"
    WEBSERVER = "webserver"


class LauncherError(Exception):
    """The launcher would print this text to stderr and exit."""

    def __init__(self, text: str, *, exit_code: int = 1, stage: Stage = Stage.ARGUMENTS) -> None:
        super().__init__(text)
        self.exit_code = exit_code
        self.stage = stage

    @property
    def before_download(self) -> bool:
        """Whether the error is found immediately, before the weights are downloaded and loaded."""
        return self.stage is Stage.ARGUMENTS


def usage_error(text: str) -> LauncherError:
    """A value that clap, the launcher's argument parser, cannot read."""
    return LauncherError(f"error: {text}\n\nFor more information, try '--help'.", exit_code=2)


def launcher_error(variant: str, message: str, *, stage: Stage = Stage.ARGUMENTS) -> LauncherError:
    """A variant of `LauncherError` as Rust prints it when `main` returns it."""
    return LauncherError(f"Error: {variant}({json.dumps(message, ensure_ascii=False)})", stage=stage)


def panic(message: str) -> LauncherError:
    """A Rust panic of the launcher."""
    return LauncherError(f"thread 'main' panicked at launcher/src/main.rs:\n{message}", exit_code=101)


def download_error(message: str) -> LauncherError:
    """The download process failed: its last log lines, then the launcher's."""
    return LauncherError(f"{message}\nError: DownloadError", stage=Stage.DOWNLOAD)


def shard_error(message: str) -> LauncherError:
    """A model shard failed while loading: its last log lines, then the launcher's."""
    return LauncherError(f"{message}\nError: ShardCannotStart", stage=Stage.SHARDS)


def webserver_error(message: str) -> LauncherError:
    """The router failed after the shards were ready: its last log lines, then the launcher's."""
    return LauncherError(f"Error: {message}\nError: WebserverFailed", stage=Stage.WEBSERVER)
