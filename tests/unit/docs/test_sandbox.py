"""The commands in docs/sandbox.md match the code: endpoints of the examples, durations, fields of requests."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.cli.input_files import resources
from tgi_sandbox.aws.lifecycle import Durations
from tgi_sandbox.aws.server import AwsDouble
from unit.docs import pages
from unit.docs.pages import ROOT

PAGE = ROOT / "docs" / "sandbox.md"
EXAMPLES = [
    example for file in (ROOT / "manifests" / "examples").glob("*.yaml") for example in resources(file.read_text())
]
COMMANDS = [command for block in pages.blocks(PAGE) for command in block.commands]
POSTED = [
    (match[1], json.loads(match[2]))
    for command in COMMANDS
    if (match := re.match(r"curl -X POST \$AWS_ENDPOINT_URL/_sandbox/(\S+) -d '(.*)'$", command))
]


def test_durations_are_those_of_the_double() -> None:
    said = {name: float(row[1]) for row in pages.table(PAGE, "duration") for name in row[0].split(", ")}
    assert said == asdict(Durations())


def endpoint_of(example: Mapping[str, Any]) -> str:
    """Return the name of the endpoint of an example."""
    return names.endpoint_name(Key(example["metadata"]["namespace"], example["metadata"]["name"]))


def test_endpoints_are_those_of_the_examples() -> None:
    known = {endpoint_of(example) for example in EXAMPLES if "sageMaker" in example["spec"]}
    assert {body["endpoint"] for _, body in POSTED if "endpoint" in body} - {"*"} <= known
    (scaled,) = (example for example in EXAMPLES if "autoscaling" in example["spec"])
    (load,) = (body for path, body in POSTED if path == "load")
    assert load["endpoint"] == endpoint_of(scaled)


def test_names_in_commands_are_those_of_the_examples() -> None:
    known = {example["metadata"]["name"] for example in EXAMPLES}
    named = {
        name
        for command in COMMANDS
        for name in re.findall(r"tgi-operator\.dev/name=([\w-]+)|services/http:([\w-]+):|tgi/([\w-]+)", command)
    }
    assert {name for names in named for name in names if name} <= known
    assert not [command for command in COMMANDS if re.search(r"-[0-9a-f]{5}\b", command)], "a pod has another name"
    namespaces = {example["metadata"]["namespace"] for example in EXAMPLES}
    assert set(re.findall(r"/namespaces/([\w-]+)/", "\n".join(COMMANDS))) == namespaces
    assert namespaces == {"ml"}


def test_requests_are_taken() -> None:
    assert len(POSTED) > 10
    with AwsDouble(clock="manual") as double:
        for path, body in POSTED:
            double.control._call("POST", path, **body)
