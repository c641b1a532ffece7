"""Resources in use, and the record of those that were deleted while in use.

AWS allows the deletion of a configuration in use, against its own documentation: "You must not delete an
EndpointConfiguration in use by an endpoint that is live or while the UpdateEndpoint or CreateEndpoint operations are
being performed on the endpoint." An endpoint that is Deleting counts as live here (assumed), a Failed one does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgi_sandbox.aws.lifecycle import Endpoint, Status
from tgi_sandbox.aws.state import EndpointConfig, Model, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tgi_sandbox.aws.operations.call import Call

DELETED_IN_USE = "deleted-in-use"


def record_config_deletion(call: Call, config: EndpointConfig) -> None:
    """Record the endpoints that still run or deploy the configuration."""
    for endpoint in _live(call):
        pending = endpoint.pending.config if endpoint.pending else None
        if config.name in (endpoint.config, pending):
            _record(call, config.arn, endpoint)


def record_model_deletion(call: Call, model: Model) -> None:
    """Record the endpoints that still run or deploy the model."""
    for endpoint in _live(call):
        pending = endpoint.pending.variants if endpoint.pending else ()
        if any(variant.model == model.name for variant in (*endpoint.variants, *pending)):
            _record(call, model.arn, endpoint)


def _live(call: Call) -> Iterator[Endpoint]:
    return (endpoint for endpoint in call.region.endpoints.values() if endpoint.shown_status != Status.FAILED)


def _record(call: Call, arn: str, endpoint: Endpoint) -> None:
    call.world.violations.append(Violation(DELETED_IN_USE, arn, endpoint.arn, call.now))
