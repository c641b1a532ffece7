"""Checks for problems that would keep pods from ever serving, before any object is created."""

import re
from collections.abc import Callable

from tgi_operator.api.identifiers import GROUP
from tgi_operator.api.incluster import InCluster
from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.spec import Spec
from tgi_operator.backends.incluster.desired import fetch_job, image
from tgi_operator.backends.incluster.desired.pod_template import OWN_NAMES
from tgi_operator.backends.plans import scaling
from tgi_operator.engines.tgi import adapters, images, launcher_options
from tgi_operator.engines.tgi import launch_checks as tgi_checks
from tgi_operator.hardware.gpus import UnsupportedGPUError, part_of_gpu, pod_gpus, vendor

_ANNOTATION = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
"""A qualified name of Kubernetes: an optional DNS subdomain, and a name of up to 63 characters."""

Check = Callable[[Spec, InCluster], Problem | None]

AMD = "amd.com"


def no_image(spec: Spec, target: InCluster) -> Problem | None:
    """TGI's own images are for the GPUs of some vendors."""
    name = target.gpu.resource_name
    if not target.requested_gpus or image.names_own(spec, target) or vendor(name) in images.vendors():
        return None
    return Problem(
        Reason.UNSUPPORTED_GPU,
        f"spec.inCluster.gpu.resourceName: the operator has no TGI image for {name}, only for "
        f"{' and '.join(images.vendors())} GPUs; set spec.runtime.image to an image for this hardware",
    )


def unknown_release(spec: Spec, target: InCluster) -> Problem | None:
    """The version must be a release of TGI."""
    try:
        image.image(spec, target, None)
    except images.UnknownImageError as error:
        return Problem(Reason.UNKNOWN_VERSION, f"spec.runtime.version: {error}")
    return None


def unsupported_gpu(_: Spec, target: InCluster) -> Problem | None:
    """TGI needs a GPU that its kernels are built for."""
    try:
        pod_gpus(target)
    except UnsupportedGPUError as error:
        return Problem(Reason.UNSUPPORTED_GPU, f"spec.inCluster.gpu.products: {error}")
    return None


def products_of_another_vendor(_: Spec, target: InCluster) -> Problem | None:
    """Only nodes with NVIDIA's GPUs have the label of the products."""
    name = target.gpu.resource_name
    if not target.gpu.products or vendor(name) != AMD:
        return None
    return Problem(
        Reason.UNSUPPORTED_GPU,
        f"spec.inCluster.gpu.products: {', '.join(target.gpu.products)}: nodes with {name} do not have the "
        "nvidia.com/gpu.product label; remove this field, and select the nodes in spec.inCluster.nodeSelector",
    )


def several_parts_of_gpus(_: Spec, target: InCluster) -> Problem | None:
    """A process of TGI uses only one slice, and two parts of shared GPUs can be parts of the same GPU."""
    part = part_of_gpu(target)
    if part is None or target.gpu.count == 1:
        return None
    return Problem(
        Reason.INVALID_SPEC,
        f"spec.inCluster.gpu.count: must be 1, not {target.gpu.count}, because TGI can use only one part of a GPU "
        f"({part}); set it to 1, or request whole GPUs",
    )


def own_variable(spec: Spec, _: InCluster) -> Problem | None:
    """The volumes determine the paths of TGI's files."""
    for variable in spec.runtime.env:
        if variable.name in OWN_NAMES:
            return Problem(
                Reason.CONFLICTING_OPTIONS,
                f"spec.runtime.env: {variable.name} is set by the operator; remove {variable.name}",
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
    options = launcher_options.options(spec.runtime, images.tgi_version(image.image(spec, target, None)))
    return tgi_checks.first_problem(tgi_checks.Launch(spec.model, spec.runtime, options, pod_gpus(target)))


def awq_on_amd(spec: Spec, target: InCluster) -> Problem | None:
    """TGI's ROCm image cannot load AWQ weights (docs/source/installation_amd.md). It fails only after the download."""
    if vendor(target.gpu.resource_name) != AMD or image.names_own(spec, target):
        return None
    if launcher_options.options(spec.runtime, None).get("QUANTIZE") != "awq":
        return None
    return Problem(
        Reason.CONFLICTING_OPTIONS,
        "spec.runtime.quantize: TGI does not load awq weights on AMD GPUs; use a model with gptq weights",
    )


def adapters_without_the_hub(spec: Spec, target: InCluster) -> Problem | None:
    """Pods with weights from S3 or a PVC do not connect to the Hub, and their Job does not fetch adapters."""
    found = adapters.on_hub(launcher_options.given(spec.runtime, "LORA_ADAPTERS"))
    if not found or spec.model.on_hub:
        return None
    folder = fetch_job.model_folder(spec.model)
    return Problem(
        Reason.INVALID_SPEC,
        f"spec.runtime.env: LORA_ADAPTERS: {found[0]!r} is on the Hugging Face Hub, to which these pods do not "
        f"connect; put the adapter in a folder under spec.model.uri and use NAME={folder}/FOLDER",
    )


def misscaled(spec: Spec, _: InCluster) -> Problem | None:
    """Schedules and targets must be valid."""
    return scaling.first_problem(spec.autoscaling)


CHECKS: tuple[Check, ...] = (
    no_image,
    unknown_release,
    unsupported_gpu,
    products_of_another_vendor,
    several_parts_of_gpus,
    own_variable,
    gpus_twice,
    unusable_annotation,
    unlaunchable,
    awq_on_amd,
    adapters_without_the_hub,
    misscaled,
)


def first_problem(spec: Spec, target: InCluster) -> Problem | None:
    """Return the first problem of the spec, or None if it can work."""
    return next((problem for check in CHECKS if (problem := check(spec, target)) is not None), None)
