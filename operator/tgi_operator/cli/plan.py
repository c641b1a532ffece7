"""`tgi-operator plan`: what a file would lead to, without a cluster, an account or a credential."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tgi_operator.api.autoscaling import Autoscaling
from tgi_operator.api.incluster import InCluster
from tgi_operator.api.names import API_VERSION, KIND
from tgi_operator.api.sagemaker import SageMaker
from tgi_operator.api.spec import Spec
from tgi_operator.api.status import Status
from tgi_operator.backends.incluster import checks as pod_checks
from tgi_operator.backends.incluster import render as pods
from tgi_operator.backends.incluster.autoscaler import Means, autoscaler
from tgi_operator.backends.incluster.strategy import IN_PLACE, asked
from tgi_operator.backends.resource import Owner, Resource
from tgi_operator.backends.sagemaker import checks, render, steps
from tgi_operator.backends.schedules import Bounds
from tgi_operator.settings import Settings
from tgi_operator.tgi.checks import Problem

Document = dict[str, Any]


class InvalidResourceError(ValueError):
    """A resource that the API server or the operator would refuse; the text names the field and what to do."""


def plan(file: str, namespace: str) -> int:
    """Print the AWS calls or objects for every TGIEndpoint of `file` (- for standard input); return the exit code."""
    text = sys.stdin.read() if file == "-" else Path(file).read_text()
    failed = False
    for manifest in resources(text):
        name = f"{manifest['metadata'].get('namespace', namespace)}/{manifest['metadata']['name']}"
        try:
            documents = list(planned(manifest, namespace))
        except InvalidResourceError as error:
            sys.stderr.write(f"{name}: {error}\n")
            failed = True
            continue
        sys.stdout.write(f"# {name}\n")
        yaml.safe_dump_all(documents, sys.stdout, sort_keys=False)
    return 1 if failed else 0


def resources(text: str) -> Iterator[Document]:
    """Yield the TGIEndpoints of a YAML text, lists unrolled; other kinds are passed over."""
    for document in yaml.safe_load_all(text):
        for manifest in (document or {}).get("items", [document]) if document else []:
            if (manifest.get("apiVersion"), manifest.get("kind")) == (API_VERSION, KIND):
                yield manifest


def planned(manifest: Document, namespace: str) -> Iterable[Document]:
    """Return the AWS calls, or the objects, that would create what the manifest asks for.

    Raises InvalidResourceError.
    """
    try:
        spec = Spec.model_validate(manifest.get("spec", {}))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(("spec", *map(str, first["loc"])))
        raise InvalidResourceError(f"{field}: {first['msg']}") from None
    meta = manifest["metadata"]
    owner = Owner("(the cluster)", meta.get("namespace", namespace), meta["name"], "(the resource)")
    resource = Resource(owner, generation=1, deleting=False, spec=spec, status=Status())
    if spec.sage_maker is not None and spec.in_cluster is None:
        return _calls(resource, spec.sage_maker)
    if spec.in_cluster is not None and spec.sage_maker is None:
        return _objects(resource, spec.in_cluster)
    raise InvalidResourceError("spec: exactly one backend must be set: sageMaker or inCluster")


def _calls(resource: Resource, target: SageMaker) -> Iterable[Document]:
    _refuse(checks.first_problem(resource.spec, target))
    reference = resource.spec.model.token_secret_ref
    token = f"(key {reference.key} of Secret {reference.name})" if reference else None
    desired = render.desired(resource, target, token)
    made = [*steps.create(desired, replicas(resource.spec))]
    if resource.spec.autoscaling is not None and desired.scaling is not None:
        made.append(steps.register(desired.scaling.register(_bounds(resource.spec.autoscaling))))
        made += [steps.put_policy(desired.scaling.put_policy(name)) for name in desired.scaling.policies]
        made += [steps.put_action(desired.scaling.put_action(name)) for name in desired.scaling.actions]
    return [{step.operation: dict(step.request)} for step in made]


def _objects(resource: Resource, target: InCluster) -> Iterable[Document]:
    _refuse(pod_checks.first_problem(resource.spec, target))
    token = "(the token)" if resource.spec.model.token_secret_ref else None
    desired = pods.desired(resource, target, token, Settings().image)
    deployment = desired.deployment(replicas(resource.spec), asked(desired.rollout) or IN_PLACE)
    made = [desired.claim, desired.job, desired.service, desired.budget, deployment, desired.monitor]
    if resource.spec.autoscaling is not None:
        bounds = _bounds(resource.spec.autoscaling)
        made.append(autoscaler(resource.owner, resource.spec.autoscaling, bounds, Means(custom_metrics=True)))
    return [manifest for manifest in made if manifest is not None]


def replicas(spec: Spec) -> int:
    """Return the instances or pods that a new resource begins with; schedules are left out of account."""
    return spec.replicas or (spec.autoscaling.min_replicas if spec.autoscaling is not None else 1)


def _bounds(autoscaling: Autoscaling) -> Bounds:
    return Bounds(autoscaling.min_replicas, autoscaling.max_replicas)


def _refuse(problem: Problem | None) -> None:
    if problem is not None:
        raise InvalidResourceError(f"{problem.reason}: {problem.message}")
