"""What `kubectl kustomize` makes of a folder."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from tgi_sandbox.cluster import build


def render(folder: Path) -> list[dict[str, Any]]:
    """Return the manifests."""
    found = build.find(["kubectl"])
    assert found, "there is no kubectl: run tgi-sandbox build"
    command = [str(found["kubectl"]), "kustomize", str(folder)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return list(yaml.safe_load_all(text))
