"""SageMaker's control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgi_sandbox.aws.json_service import JsonService
from tgi_sandbox.aws.operations import OPERATIONS

if TYPE_CHECKING:
    from tgi_sandbox.aws.world import World


class SageMaker(JsonService):
    """Implements the operations of SageMaker on a world."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "sagemaker", OPERATIONS)
