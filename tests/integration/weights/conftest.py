"""The real command as a process, the Hub emulator, and S3 of the AWS emulator."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from tgi_sandbox.aws.server import AwsDouble
from tgi_sandbox.hub import HubDouble

MIB = 2**20


@dataclass
class Command:
    """`tgi-operator fetch` with a clean environment: no token, no credentials, an empty home."""

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        command = self.command(*arguments)
        return subprocess.run(
            command, env=self.variables(**environment), capture_output=True, text=True, check=False, timeout=60
        )

    def killed(self, ready: Callable[[], bool], *arguments: str | Path, **environment: str) -> None:
        """Run it, and kill it as soon as `ready` returns true."""
        with subprocess.Popen(self.command(*arguments), env=self.variables(**environment)) as process:
            try:
                deadline = time.monotonic() + 30
                while not ready():
                    assert process.poll() is None, "it ended"
                    assert time.monotonic() < deadline, "it never got so far"
                    time.sleep(0.01)
            finally:
                process.kill()

    def start(self, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        """Start it."""
        return subprocess.Popen(
            self.command(*arguments),
            env=self.variables(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, *arguments: str | Path) -> list[str]:
        """Return its arguments."""
        return [str(Path(sys.executable).with_name("tgi-operator")), "fetch", *map(str, arguments)]

    def variables(self, **environment: str) -> dict[str, str]:
        """Return its environment."""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "HOME": str(self.home),
            "TMPDIR": str(self.home.with_name("tmp")),
            "TERMINATION_MESSAGE_PATH": str(self.home.with_name("termination-log")),
            **self.environment,
            **environment,
        }


def holds_more_than(size: int, folder: Path, pattern: str) -> bool:
    """Return whether a file of a folder has more bytes; a complete file can be moved away meanwhile."""
    try:
        return any(path.stat().st_size > size for path in folder.glob(pattern))
    except FileNotFoundError:
        return False


def make_command(folder: Path, environment: Mapping[str, str]) -> Command:
    """Return the command for a new folder."""
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    (folder / "termination-log").touch()
    return Command(folder / "home", environment)


@pytest.fixture(scope="session")
def running_hub() -> Iterator[HubDouble]:
    with HubDouble() as double:
        yield double


@pytest.fixture
def hub(running_hub: HubDouble) -> HubDouble:
    running_hub.reset()
    return running_hub


@pytest.fixture(scope="session")
def aws() -> Iterator[AwsDouble]:
    with AwsDouble() as double:
        yield double


@pytest.fixture
def s3(aws: AwsDouble) -> Any:
    """Return a client of an S3 with one empty bucket, `weights`."""
    aws.control.reset()
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=aws.address,
        aws_access_key_id=aws.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=aws.environment["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket="weights")
    return client
