"""A new user who follows a page of the documentation on the sandbox."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tgi_sandbox import cli
from tgi_sandbox.aws.server import AwsDouble
from tgi_sandbox.cluster import ControlPlane, build
from unit.docs.pages import ROOT

IMPATIENT = "echo 'settings: {leaderElection: \"on\", sweepInterval: 1}' >> values.yaml"
"""The only settings that the pages do not have: the emulator's time is too fast for the default of the sweep."""


@dataclass(frozen=True)
class Newcomer:
    """A shell in a clone, with the sandbox's variables; exports of one script do not affect the next one."""

    folder: Path
    env: Path

    @classmethod
    def in_clone(cls, folder: Path, plane: ControlPlane, aws: AwsDouble) -> "Newcomer":
        """Return a newcomer in a clone below a folder."""
        clone = folder / "clone"
        clone.mkdir()
        for name in ("manifests", "crds"):
            (clone / name).symlink_to(ROOT / name)
        (clone / ".venv").symlink_to(sys.prefix)
        env = folder / "env"
        kubectl = build.find(["kubectl"])["kubectl"]
        env.write_text(cli.environment_file(plane.kubeconfig, aws.address, kubectl))
        return cls(clone, env)

    def follow(self, *blocks: str) -> str:
        """Run blocks of a page in order, as one script; return their output."""
        script = "\n".join(["set -euo pipefail", f"source {self.env}", *blocks])
        done = subprocess.run(
            ["bash", "-c", script],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env={
                "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
                "HOME": str(self.folder.parent),
                "XDG_CACHE_HOME": str(build.cache_folder().parent),
            },
            timeout=150,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


def made(aws: AwsDouble) -> list[str]:
    """Return the names of all endpoints, configurations and models."""
    kinds = ("endpoints", "endpoint_configs", "models")
    return [name for region in aws.control.state()["regions"] for kind in kinds for name in region[kind]]
