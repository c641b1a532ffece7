"""`tgi-operator catalog`: the known TGI images, and the regeneration of their table from the SageMaker SDK."""

import json
import sys
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from tgi_operator.cli import machine_output
from tgi_operator.cli.command_line import Failure
from tgi_operator.engines.tgi import images

FRAMEWORK = "huggingface-llm"


def list_images(region: str, form: str | None) -> None:
    """Print every version with its image in `region`. Raises Failure."""
    try:
        found = {tgi: images.image(tgi, region) for tgi in images.catalogue()["versions"]}
    except images.UnknownImageError as error:
        raise Failure(str(error)) from None
    if form is not None:
        machine_output.write({"region": region, "images": found}, form)
    else:
        sys.stdout.writelines(f"{tgi:10}{image}\n" for tgi, image in found.items())


def refresh() -> None:
    """Regenerate the table from the installed SageMaker SDK. Raises Failure."""
    try:
        source = files("sagemaker.core").joinpath(f"image_uri_config/{FRAMEWORK}.json")
    except ModuleNotFoundError:
        raise Failure("the SageMaker SDK is not installed; run uv sync --extra catalog") from None
    table = convert(
        json.loads(source.read_text())["inference"], f"sagemaker-core {version('sagemaker-core')}, Apache-2.0"
    )
    target = Path(str(files("tgi_operator.engines.tgi").joinpath(images.CATALOGUE)))
    target.write_text(f"{json.dumps(table, indent=1)}\n")
    sys.stdout.write(f"Wrote {len(table['versions'])} versions and {len(table['registries'])} regions to {target}\n")


def convert(inference: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return the catalog's table for the SDK's `inference` section of a framework with one processor, gpu."""
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
