"""`tgi-operator catalog`: the TGI images known, and how the table is made anew from the SageMaker SDK."""

import json
import sys
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from tgi_operator.engines.tgi import images

FRAMEWORK = "huggingface-llm"


def list_images(region: str) -> int:
    """Print every version with its image in `region`; return the exit code."""
    try:
        for tgi in images.catalogue()["versions"]:
            sys.stdout.write(f"{tgi:10}{images.image(tgi, region)}\n")
    except images.UnknownImageError as error:
        sys.stderr.write(f"tgi-operator: {error}\n")
        return 1
    return 0


def refresh() -> int:
    """Write the table anew from the installed SageMaker SDK; return the exit code."""
    try:
        source = files("sagemaker.core").joinpath(f"image_uri_config/{FRAMEWORK}.json")
    except ModuleNotFoundError:
        sys.stderr.write("tgi-operator: install the SDK first: uv sync --extra catalog\n")
        return 1
    table = convert(
        json.loads(source.read_text())["inference"], f"sagemaker-core {version('sagemaker-core')}, Apache-2.0"
    )
    target = Path(str(files("tgi_operator.engines.tgi").joinpath(images.CATALOGUE)))
    target.write_text(f"{json.dumps(table, indent=1)}\n")
    sys.stdout.write(f"{len(table['versions'])} versions, {len(table['registries'])} regions: {target}\n")
    return 0


def convert(inference: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return the catalogue's table for the SDK's `inference` section of a framework with one processor, gpu."""
    versions = inference["versions"]
    newest = next(reversed(versions.values()))
    return {
        "source": source,
        "repository": newest["repository"],
        "versions": {name: _tag(entry) for name, entry in versions.items()},
        "registries": dict(sorted(newest["registries"].items())),
    }


def _tag(entry: Mapping[str, Any]) -> str:
    container = entry["container_version"]["gpu"]
    return f"{entry['tag_prefix']}-gpu-{entry['py_versions'][0]}-{container}"
