"""The inputs of the checkers: everything that installs the operator, and manifests with faults that they must find."""

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from unit.chart.given import EVERYTHING
from unit.chart.rendering import MANIFESTS, Object, objects, of, rendered

RICHEST: Mapping[str, Any] = EVERYTHING | {
    "image": {"digest": f"sha256:{'0' * 64}"},
    "allowedRoles": {"ml": ["arn:aws:iam::111122223333:role/tgi-exec-ml"]},
}

BY_DEFAULT = "the chart, by default"
ALL_ON = "the chart, all switches on"
COMMITTED = "manifests/base"


@cache
def installed(what: str) -> list[Object]:
    """Return the objects of one of the three."""
    if what == COMMITTED:
        return objects((MANIFESTS / "base" / "operator.yaml").read_text())
    return rendered(RICHEST if what == ALL_ON else {})


def privileged() -> list[Object]:
    """Return the objects of the chart with a container without restrictions."""
    found = copy.deepcopy(installed(ALL_ON))
    (container,) = of(found, "Deployment")["spec"]["template"]["spec"]["containers"]
    container["securityContext"]["privileged"] = True
    return found


def written(folder: Path, items: list[Object]) -> Path:
    """Write objects into a file of a folder and return it."""
    file = folder / "objects.yaml"
    file.write_text(yaml.safe_dump_all(items))
    return file
