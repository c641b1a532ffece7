"""Checks for problems that would keep pods from ever serving, before any object is created."""

import re
from collections.abc import Callable

from tgi_operator.api.identifiers import GROUP
from tgi_operator.api.incluster import InCluster
from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.spec import Spec
from tgi_operator.backends.incluster.desired import render
from tgi_operator.backends.incluster.desired.pod_template import OWN_NAMES
from tgi_operator.backends.plans import scaling
from tgi_operator.engines.tgi import images, launcher_options
from tgi_operator.engines.tgi import launch_checks as tgi_checks
from tgi_operator.hardware.gpus import UnsupportedGPUError, gpus

_ANNOTATION = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
"""A qualified name of Kubernetes: an optional DNS subdomain, and a name of up to 63 characters."""

Check = Callable[[Spec, InCluster], Problem | None]


def unknown_release(spec: Spec, _: InCluster) -> Problem | None:
    """The version must be a release of TGI."""
    try:
        render.image(spec, None)
    except images.UnknownImageError as error:
        return Problem(Reason.UNKNOWN_VERSION, f"spec.runtime.version: {error}")
    return None


def unsupported_gpu(_: Spec, target: InCluster) -> Problem | None:
    """TGI needs a GPU that its kernels are built for."""
    try:
        gpus(target.gpu.products, target.gpu.count)
    except UnsupportedGPUError as error:
        return Problem(Reason.UNSUPPORTED_GPU, f"spec.inCluster.gpu.products: {error}")
    return None


def own_variable(spec: Spec, _: InCluster) -> Problem | None:
    """The volumes determine the paths of TGI's files."""
    for variable in spec.runtime.env:
        if variable.name in OWN_NAMES:
            return Problem(
                Reason.CONFLICTING_OPTIONS,
                f"spec.runtime.env: {variable.name} is set by the operator; remove it",
            )
    return None


def gpus_twice(_: Spec, target: InCluster) -> Problem | None:
    """GPUs are set in `gpu`, so that the launcher options can be checked against them."""
    name = target.gpu.resource_name
    for field in ("requests", "limits"):
        if name in getattr(target.resources, field):
            return Problem(
                Reason.INVALID_SPEC,
                f"spec.inCluster.resources.{field}: must not contain {name}; set spec.inCluster.gpu.count instead",
            )
    return None


def unusable_annotation(_: Spec, target: InCluster) -> Problem | None:
    """The annotations of the Service must be valid, and must not be those of the operator."""
    for key in target.service.annotations:
        if key.startswith(f"{GROUP}/"):
            wrong, fix = "is set by the operator", "remove it"
        elif not _ANNOTATION.fullmatch(key):
            wrong, fix = "is not a valid key", "use a key such as prometheus.io/scrape"
        else:
            continue
        return Problem(Reason.INVALID_SPEC, f"spec.inCluster.service.annotations: {key} {wrong}; {fix}")
    return None


def unlaunchable(spec: Spec, target: InCluster) -> Problem | None:
    """The launcher must accept the options on those GPUs."""
    options = launcher_options.options(spec.runtime, images.tgi_version(render.image(spec, None)))
    machine = gpus(target.gpu.products, target.gpu.count)
    return tgi_checks.first_problem(tgi_checks.Launch(spec.model, spec.runtime, options, machine))


def misscaled(spec: Spec, _: InCluster) -> Problem | None:
    """Schedules and targets must be valid."""
    return scaling.first_problem(spec.autoscaling)


CHECKS: tuple[Check, ...] = (
    unknown_release,
    unsupported_gpu,
    own_variable,
    gpus_twice,
    unusable_annotation,
    unlaunchable,
    misscaled,
)


def first_problem(spec: Spec, target: InCluster) -> Problem | None:
    """Return the first problem of the spec, or None if it can work."""
    return next((problem for check in CHECKS if (problem := check(spec, target)) is not None), None)
