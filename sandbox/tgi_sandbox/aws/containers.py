"""The container of a variant: its environment, and whether the TGI launcher starts in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgi_sandbox.aws.instances import cuda_capability, gpus
from tgi_sandbox.tgi.launcher import LauncherError
from tgi_sandbox.tgi.sagemaker import check

if TYPE_CHECKING:
    from tgi_sandbox.aws.lifecycle import Variant


def environment(variant: Variant) -> dict[str, str]:
    """The model's environment, and the facts about the instance that the simulator needs."""
    instance_type = variant.instance_type or ""
    return {
        **variant.container.get("Environment", {}),
        "SANDBOX_GPUS": str(gpus(instance_type)),
        "SANDBOX_CUDA_CAPABILITY": cuda_capability(instance_type),
    }


def runs_tgi(variant: Variant) -> bool:
    """Whether the image is a TGI image, by its name."""
    return "tgi" in str(variant.container.get("Image", ""))


def start_error(variant: Variant) -> str | None:
    """Return the last log line of a TGI container that fails, or None if it starts.

    Other images always start, and so do the TGI images for Inferentia (`optimum` in their tags): the simulator does not
    cover their launcher.
    """
    if not runs_tgi(variant) or "optimum" in str(variant.container.get("Image", "")):
        return None
    try:
        check(environment(variant), gpus(variant.instance_type or ""))
    except LauncherError as error:
        return str(error)
    return None
