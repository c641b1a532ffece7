"""`plan`: the result of a file, without a cluster, an account or a credential."""

import sys
from collections.abc import Iterable

from tgi_operator.api.autoscaling import Autoscaling
from tgi_operator.api.incluster import InCluster
from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.sagemaker import SageMaker
from tgi_operator.api.spec import SecretKeyRef, Spec
from tgi_operator.api.status import Status
from tgi_operator.backends import served
from tgi_operator.backends.incluster.desired import render as pods
from tgi_operator.backends.incluster.desired.autoscaler import Means, autoscaler
from tgi_operator.backends.incluster.desired.monitor import KINDS, Monitoring, monitor
from tgi_operator.backends.incluster.desired.network_policy import network_policy
from tgi_operator.backends.incluster.desired.strategy import IN_PLACE, asked
from tgi_operator.backends.incluster.refusals import Refusals as PodRefusals
from tgi_operator.backends.plans.schedules import Bounds
from tgi_operator.backends.resource import Owner, Resource
from tgi_operator.backends.sagemaker.decide import steps
from tgi_operator.backends.sagemaker.desired import places, render
from tgi_operator.backends.sagemaker.refusals import Refusals
from tgi_operator.backends.secret_values import SecretValue, SecretValues
from tgi_operator.cli import input_files
from tgi_operator.cli import plan_reports as reports
from tgi_operator.cli.given_settings import InvalidSettingsError, given_settings
from tgi_operator.cli.input_files import Document
from tgi_operator.cli.plan_reports import Hardware, Result
from tgi_operator.cli.spec_warnings import ignored_nulls, machine, spec_warnings
from tgi_operator.exit_codes import ExitCode
from tgi_operator.schema.admission import NotAdmittedError, admitted
from tgi_operator.settings import Settings


class InvalidResourceError(ValueError):
    """A resource that the API server or the operator would refuse. `problems` name the field and the fix."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def plan(file: str, namespace: str, form: str, *, strict: bool) -> int:
    """Print the AWS calls or objects for every TGIEndpoint in `file`. Return the exit code."""
    try:
        settings = given_settings({})
    except InvalidSettingsError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.USAGE
    try:
        found = input_files.of(file)
    except input_files.UnreadableError as error:
        reports.unreadable(str(error), form)
        return ExitCode.FAILED
    results = [_result(name, manifest, namespace, settings) for name, manifest in found]
    reports.report(results, form, strict=strict)
    failed = any(each.problems or (strict and each.warnings) for each in results)
    return ExitCode.FAILED if failed else ExitCode.SUCCESS


def _result(file: str, manifest: Document, namespace: str, settings: Settings) -> Result:
    name = _name(manifest, namespace)
    try:
        resource, spec = read(manifest, namespace)
        documents = tuple(creation(resource, spec, settings))
    except InvalidResourceError as error:
        return Result(file, name, problems=tuple(error.problems))
    return Result(file, name, documents, (*spec_warnings(spec), *ignored_nulls(manifest)), hardware=_hardware(spec))


def _hardware(spec: Spec) -> Hardware:
    gpus, scaling = machine(spec), spec.autoscaling
    most = scaling.max_replicas if scaling is not None else replicas(spec)
    kind = "pod" if spec.in_cluster else _sage_maker(spec).instance_type
    return Hardware(kind, gpus.gpu, gpus.count, replicas(spec), most)


def planned(manifest: Document, namespace: str) -> Iterable[Document]:
    """Return the AWS calls, or the objects, that would create the resource of the manifest with default settings.

    Raises InvalidResourceError.
    """
    return creation(*read(manifest, namespace), Settings())


def read(manifest: Document, namespace: str) -> tuple[Resource, Spec]:
    """Return the resource that the API server would create from the manifest, and its spec.

    Raises InvalidResourceError.
    """
    try:
        spec = admitted(manifest)
    except NotAdmittedError as error:
        raise InvalidResourceError([f"{Reason.INVALID_SPEC}: {problem}" for problem in error.problems]) from None
    meta = manifest["metadata"]
    owner = Owner("(the cluster)", meta.get("namespace") or namespace, meta["name"], "(the resource)")
    fields = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return Resource(owner, generation=1, deleting=False, spec=spec, status=Status(), fields=fields), spec


def creation(resource: Resource, spec: Spec, settings: Settings) -> Iterable[Document]:
    """Return the AWS calls, or the objects, with which an operator with these settings would create the resource.

    Raises InvalidResourceError.
    """
    _refuse(served.problem(settings.backends, resource.fields))
    if spec.in_cluster is not None:
        return _objects(resource, spec, spec.in_cluster, settings)
    return _calls(resource, spec, settings)


def _sage_maker(spec: Spec) -> SageMaker:
    """Return the AWS requests to SageMaker, without any request to the cluster."""
    assert spec.sage_maker is not None  # noqa: S101 - exactly one backend is admitted
    return spec.sage_maker


def _calls(resource: Resource, spec: Spec, settings: Settings) -> Iterable[Document]:
    target, refusals = _sage_maker(spec), Refusals(settings)
    _refuse(refusals.problem(resource, spec, target))
    if settings.allowed_roles_file:
        # Only users with the administrators' file know which names are allowed.
        _refuse(refusals.name_problem(resource))
    desired = render.desired(
        places.generated(resource.key, resource.fields), resource, spec, target, _placeholders(spec), None
    )
    _refuse(refusals.rendered_problem(desired))
    made = [*steps.create(desired, replicas(spec))]
    if spec.autoscaling is not None and desired.scaling is not None:
        made.append(steps.register(desired.scaling.register(_bounds(spec.autoscaling))))
        made += [steps.put_policy(desired.scaling.put_policy(name)) for name in desired.scaling.policies]
        made += [steps.put_action(desired.scaling.put_action(name)) for name in desired.scaling.actions]
    return [{step.operation: dict(step.request)} for step in made]


def _objects(resource: Resource, spec: Spec, target: InCluster, settings: Settings) -> Iterable[Document]:
    refusals = PodRefusals(settings)
    _refuse(refusals.problem(spec, target))
    desired = pods.desired(resource, target, _placeholders(spec), settings.image)
    _refuse(refusals.rendered_problem(desired))
    deployment = desired.deployment(replicas(spec), asked(desired.rollout) or IN_PLACE)
    policy = network_policy(desired.owner, settings.serving_pods_from)
    made = [policy, desired.claim, desired.job, desired.service, desired.budget, deployment]
    if settings.monitor_kind in KINDS:
        made.append(monitor(resource.owner, target, Monitoring(KINDS[settings.monitor_kind], settings.monitor_labels)))
    if spec.autoscaling is not None:
        bounds = _bounds(spec.autoscaling)
        made.append(autoscaler(resource.owner, spec.autoscaling, bounds, Means(custom_metrics=True)))
    return [manifest for manifest in made if manifest is not None]


def replicas(spec: Spec) -> int:
    """Return the instances or pods that a new resource starts with, regardless of schedules."""
    if spec.replicas is not None:
        return spec.replicas
    return spec.autoscaling.min_replicas if spec.autoscaling is not None else 1


def _placeholders(spec: Spec) -> SecretValues:
    """Return references in place of the values of Secrets."""
    token = spec.model.token_secret_ref
    env = {name: _placeholder(found) for name, found in spec.runtime.secret_env.items()}
    return SecretValues(None if token is None else _placeholder(token), env)


def _placeholder(reference: SecretKeyRef) -> SecretValue:
    return SecretValue(f"(key {reference.key} of Secret {reference.name})", "")


def _bounds(autoscaling: Autoscaling) -> Bounds:
    return Bounds(autoscaling.min_replicas, autoscaling.max_replicas)


def _name(manifest: Document, namespace: str) -> str:
    """Return the name of a resource in messages, whatever its metadata are."""
    meta = manifest.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    return f"{meta.get('namespace') or namespace}/{meta.get('name') or '(no name)'}"


def _refuse(problem: Problem | None) -> None:
    if problem is not None:
        raise InvalidResourceError([f"{problem.reason}: {problem.message}"])
