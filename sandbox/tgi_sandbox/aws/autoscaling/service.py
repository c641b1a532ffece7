"""Application Auto Scaling's control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgi_sandbox.aws.autoscaling.operations import AUTOSCALING_OPERATIONS
from tgi_sandbox.aws.json_service import JsonService

if TYPE_CHECKING:
    from tgi_sandbox.aws.world import World


class ApplicationAutoScaling(JsonService):
    """Implements the operations of Application Auto Scaling on a world."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "application-autoscaling", AUTOSCALING_OPERATIONS)
