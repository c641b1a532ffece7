"""The Git repository of docs/gitops.md: the operator's folders and the example."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

import argocd

ROOT = argocd.MANIFESTS.parents[1]
FOLDER = "tgi"
"""The folder that the Application syncs."""

# Without the user's own configuration, such as hooks or signatures.
_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "sandbox" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


class Repository:
    """A clone, whose commits are pushed to the bare repository that Argo CD reads."""

    def __init__(self, folder: Path) -> None:
        self._bare = folder / "endpoints.git"
        self._clone = folder / "clone"
        self._git("init", "--quiet", "--bare", "--initial-branch=main", str(self._bare), at=folder)
        self._git("clone", "--quiet", str(self._bare), str(self._clone), at=folder)
        for name in ("crds", "manifests"):
            shutil.copytree(ROOT / name, self._clone / "tgi-operator" / name)
        shutil.copytree(argocd.MANIFESTS / "example", self._clone / FOLDER)

    @property
    def url(self) -> str:
        """The address for an Application."""
        return self._bare.as_uri()

    @property
    def head(self) -> str:
        """The latest commit."""
        return self._git("rev-parse", "HEAD").strip()

    def write(self, name: str, manifest: Mapping[str, Any]) -> None:
        """Add a manifest to the synced folder, in a separate file."""
        (self._clone / FOLDER / name).write_text(yaml.safe_dump(dict(manifest)))
        self._resources(add=[name])

    def remove(self, name: str) -> None:
        """Remove a manifest again."""
        (self._clone / FOLDER / name).unlink()
        self._resources(remove=[name])

    def set_replicas(self, name: str, replicas: int | None) -> None:
        """Set another replica count in one of the example's TGIEndpoints, or remove it."""
        file = self._clone / FOLDER / "endpoints.yaml"
        manifests = list(yaml.safe_load_all(file.read_text()))
        (spec,) = (manifest["spec"] for manifest in manifests if manifest["metadata"]["name"] == name)
        spec.pop("replicas")
        if replicas is not None:
            spec["replicas"] = replicas
        file.write_text(yaml.safe_dump_all(manifests))

    def push(self, message: str) -> str:
        """Commit the changes, and return the commit."""
        self._git("add", "--all")
        self._git("commit", "--quiet", f"--message={message}")
        self._git("push", "--quiet", "origin", "HEAD:main")
        return self.head

    def _resources(self, add: list[str] | None = None, remove: list[str] | None = None) -> None:
        file = self._clone / FOLDER / "kustomization.yaml"
        kustomization = yaml.safe_load(file.read_text())
        kept = [name for name in kustomization["resources"] if name not in (add or []) + (remove or [])]
        kustomization["resources"] = kept + (add or [])
        file.write_text(yaml.safe_dump(kustomization))

    def _git(self, *arguments: str, at: Path | None = None) -> str:
        command = ["git", "-C", str(at or self._clone), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **_ENVIRONMENT}
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
