"""The SageMaker entrypoint of the TGI image: its own variables become launcher options, the port is 8080.

A port of sagemaker-entrypoint.sh. Run as a program, it is the container of a SageMaker endpoint:
`python -m tgi_sandbox.tgi.sagemaker --port N [--parent-pid P]`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from tgi_sandbox.tgi import launcher
from tgi_sandbox.tgi.errors import LauncherError
from tgi_sandbox.tgi.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PORT: Final = 8080

# Each is passed on only if it is not empty.
_RENAMED: Final = {
    "HF_MODEL_ID": "MODEL_ID",
    "HF_MODEL_REVISION": "REVISION",
    "SM_NUM_GPUS": "NUM_SHARD",
    "HF_MODEL_QUANTIZE": "QUANTIZE",
    "HF_MODEL_TRUST_REMOTE_CODE": "TRUST_REMOTE_CODE",
}


def launcher_environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which the entrypoint starts the launcher."""
    if not env.get("HF_MODEL_ID"):
        raise LauncherError("HF_MODEL_ID must be set")
    renamed = {new: env[old] for old, new in _RENAMED.items() if env.get(old)}
    return {**env, **renamed, "PORT": str(PORT)}


def check(env: Mapping[str, str], gpus: int) -> None:
    """Raise the `LauncherError` of a container that would not start with this environment and so many GPUs."""
    launcher.check(launcher_environment(env), gpus)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the container until it is stopped."""
    return run(os.environ, arguments, environment=launcher_environment)


if __name__ == "__main__":
    sys.exit(main())
