"""Checks before anything is created, for specs that AWS would reject or that would fail on a billed instance."""

import re
from collections.abc import Callable

from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.sagemaker import SageMaker
from tgi_operator.api.spec import Spec
from tgi_operator.backends.plans import scaling
from tgi_operator.backends.sagemaker.desired import render
from tgi_operator.engines.tgi import adapters, images, launcher_options
from tgi_operator.engines.tgi import launch_checks as tgi_checks
from tgi_operator.hardware.instances import UnsupportedInstanceTypeError, instance

Check = Callable[[Spec, SageMaker], Problem | None]

MAX_ENVIRONMENT = 100
MAX_ENVIRONMENT_BYTES = 32 * 1024
"""Limits of the entries and the total size of a container's Environment (ContainerDefinition of the SageMaker API)."""


def role_of_another_partition(_: Spec, target: SageMaker) -> Problem | None:
    """A role cannot be passed from one AWS partition to another."""
    role_partition, region_partition = target.execution_role_arn.split(":")[1], images.partition(target.region)
    if role_partition != region_partition:
        return Problem(
            Reason.INVALID_SPEC,
            f"spec.sageMaker.executionRoleARN: the role is in partition {role_partition}, but region {target.region} "
            f"is in {region_partition}; use a role whose ARN begins with arn:{region_partition}:iam::",
        )
    return None


def isolated_from_the_hub(spec: Spec, target: SageMaker) -> Problem | None:
    """Without a network, the container cannot download from the Hub."""
    if target.enable_network_isolation and spec.model.on_hub:
        return Problem(
            Reason.INVALID_SPEC,
            "spec.sageMaker.enableNetworkIsolation: the container cannot reach the Hugging Face Hub; use a "
            "spec.model.uri that begins with s3://, or remove enableNetworkIsolation",
        )
    return None


def adapters_isolated_from_the_hub(spec: Spec, target: SageMaker) -> Problem | None:
    """Without a network, the launcher cannot download adapters, and TGI fails after the weights are loaded."""
    found = adapters.on_hub(launcher_options.given(spec.runtime, "LORA_ADAPTERS"))
    if target.enable_network_isolation and found:
        return Problem(
            Reason.INVALID_SPEC,
            f"spec.runtime.env: LORA_ADAPTERS: {found[0]!r} is on the Hugging Face Hub, which the container cannot "
            "reach; put the adapter in a folder under spec.model.uri and use NAME=/opt/ml/model/FOLDER, or remove "
            "spec.sageMaker.enableNetworkIsolation",
        )
    return None


def unknown_image(spec: Spec, target: SageMaker) -> Problem | None:
    """The catalog must have an image of this version for the region."""
    try:
        render.image(spec.runtime, target.region, None)
    except images.NoImageInRegionError as error:
        return Problem(
            Reason.INVALID_SPEC,
            f"spec.sageMaker.region: {error}; set spec.runtime.image, or create a new TGIEndpoint in another region",
        )
    except images.UnknownImageError as error:
        return Problem(Reason.UNKNOWN_VERSION, f"spec.runtime.version: {error}")
    return None


def unpullable_image(spec: Spec, target: SageMaker) -> Problem | None:
    """SageMaker pulls from Amazon ECR in the endpoint's own region (ContainerDefinition.Image of the SageMaker API)."""
    image = spec.runtime.image
    if image is None or re.match(rf"\d{{12}}\.dkr\.ecr\.{target.region}\.", image):
        return None
    return Problem(
        Reason.INVALID_SPEC,
        f"spec.runtime.image: {image} is not in Amazon ECR in {target.region}, and SageMaker pulls only from this "
        f"registry; copy the image to ACCOUNT.dkr.ecr.{target.region}.{images.dns_suffix(target.region)}/…",
    )


def unsupported_instance(_: Spec, target: SageMaker) -> Problem | None:
    """TGI needs a GPU that its kernels are built for."""
    try:
        instance(target.instance_type)
    except UnsupportedInstanceTypeError as error:
        return Problem(Reason.UNSUPPORTED_INSTANCE_TYPE, f"spec.sageMaker.instanceType: {error}")
    return None


def unlaunchable(spec: Spec, target: SageMaker) -> Problem | None:
    """The launcher must accept the options on that instance."""
    image = render.image(spec.runtime, target.region, None)
    options = launcher_options.options(spec.runtime, images.tgi_version(image))
    return tgi_checks.first_problem(
        tgi_checks.Launch(spec.model, spec.runtime, options, instance(target.instance_type))
    )


def api_key(spec: Spec, _: SageMaker) -> Problem | None:
    """SageMaker does not pass on Authorization headers, so an API_KEY locks everyone out."""
    if any(variable.name == "API_KEY" for variable in spec.runtime.env):
        return Problem(
            Reason.CONFLICTING_OPTIONS,
            "spec.runtime.env: API_KEY would lock out SageMaker, and IAM already protects the endpoint; remove API_KEY",
        )
    return None


def environment_too_large(desired: render.Desired) -> Problem | None:
    """A container's environment is limited, including the values from Secrets."""
    values = desired.model["PrimaryContainer"]["Environment"]
    size = sum(len(name.encode()) + len(value.encode()) for name, value in values.items())
    if len(values) > MAX_ENVIRONMENT or size > MAX_ENVIRONMENT_BYTES:
        return Problem(
            Reason.INVALID_SPEC,
            f"spec.runtime.env: {len(values)} variables totaling {size} bytes exceed the SageMaker limits; use at "
            f"most {MAX_ENVIRONMENT} variables and {MAX_ENVIRONMENT_BYTES} bytes in total",
        )
    return None


def misscaled(spec: Spec, _: SageMaker) -> Problem | None:
    """Schedules and targets must be valid."""
    return scaling.first_problem(spec.autoscaling)


CHECKS: tuple[Check, ...] = (
    role_of_another_partition,
    isolated_from_the_hub,
    adapters_isolated_from_the_hub,
    unknown_image,
    unpullable_image,
    unsupported_instance,
    api_key,
    unlaunchable,
    misscaled,
)


def first_problem(spec: Spec, target: SageMaker) -> Problem | None:
    """Return the first problem of the spec, or None if it can work."""
    return next((problem for check in CHECKS if (problem := check(spec, target)) is not None), None)
