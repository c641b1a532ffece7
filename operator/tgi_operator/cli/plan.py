"""`tgi-operator plan`: the AWS calls a file would lead to, without a cluster, an account or a credential."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tgi_operator.api.names import API_VERSION, KIND
from tgi_operator.api.spec import Spec
from tgi_operator.api.status import Status
from tgi_operator.backends.resource import Owner, Resource
from tgi_operator.backends.sagemaker import checks, render, steps
from tgi_operator.backends.sagemaker.state import Step


class InvalidResourceError(ValueError):
    """A resource that the API server or the operator would refuse; the text names the field and what to do."""


def plan(file: str, namespace: str) -> int:
    """Print the calls for every TGIEndpoint of `file` (- for standard input); return the exit code."""
    text = sys.stdin.read() if file == "-" else Path(file).read_text()
    failed = False
    for manifest in resources(text):
        name = f"{manifest['metadata'].get('namespace', namespace)}/{manifest['metadata']['name']}"
        try:
            calls = list(planned(manifest, namespace))
        except InvalidResourceError as error:
            sys.stderr.write(f"{name}: {error}\n")
            failed = True
            continue
        sys.stdout.write(f"# {name}\n")
        yaml.safe_dump_all([{call.operation: dict(call.request)} for call in calls], sys.stdout, sort_keys=False)
    return 1 if failed else 0


def resources(text: str) -> Iterator[dict[str, Any]]:
    """Yield the TGIEndpoints of a YAML text, lists unrolled; other kinds are passed over."""
    for document in yaml.safe_load_all(text):
        for manifest in (document or {}).get("items", [document]) if document else []:
            if (manifest.get("apiVersion"), manifest.get("kind")) == (API_VERSION, KIND):
                yield manifest


def planned(manifest: dict[str, Any], namespace: str) -> tuple[Step, ...]:
    """Return the calls that would create what the manifest asks for. Raises InvalidResourceError."""
    try:
        spec = Spec.model_validate(manifest.get("spec", {}))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(("spec", *map(str, first["loc"])))
        raise InvalidResourceError(f"{field}: {first['msg']}") from None
    if spec.sage_maker is None:
        raise InvalidResourceError("spec: exactly one backend must be set: sageMaker")
    problem = checks.first_problem(spec, spec.sage_maker)
    if problem is not None:
        raise InvalidResourceError(f"{problem.reason}: {problem.message}")
    meta = manifest["metadata"]
    owner = Owner("(the cluster)", meta.get("namespace", namespace), meta["name"], "(the resource)")
    resource = Resource(owner, generation=1, deleting=False, spec=spec, status=Status())
    reference = spec.model.token_secret_ref
    token = f"(key {reference.key} of Secret {reference.name})" if reference else None
    return steps.create(render.desired(resource, spec.sage_maker, token), spec.replicas or 1)
