"""The memory of SageMaker in the status: facts that the next decision needs and AWS does not show.

Each function returns the memory after one event. The limits of the CRD bound all of it, whatever fails.
"""

from typing import TypedDict, Unpack

from tgi_operator.api.status import MOST_REVISIONS, SageMakerStatus
from tgi_operator.backends.sagemaker.seen import state
from tgi_operator.backends.sagemaker.seen.state import Endpoint


class _Fields(TypedDict, total=False):
    endpoint_arn: str | None
    endpoint_status: str | None
    endpoint_config_name: str | None
    model_name: str | None
    last_modified_time: str | None
    failure_reason: str | None
    request_time: str | None
    requested_replicas: int | None
    update_accepted: bool | None
    revisions: tuple[str, ...]
    tag_keys: tuple[str, ...] | None
    rendered_from: str | None
    scaling_revision: str | None
    scaling_request_time: str | None


def _with(memory: SageMakerStatus, **changes: Unpack[_Fields]) -> SageMakerStatus:
    return memory.model_copy(update=dict(changes))


def observed(
    memory: SageMakerStatus, endpoint: Endpoint | None, revision: str | None, set_name: str | None
) -> SageMakerStatus:
    """An endpoint was read, or does not exist. If it is ours, it runs `revision`, whose model is called `set_name`."""
    revisions = memory.revisions if revision in (None, *memory.revisions) else (*memory.revisions, str(revision))
    return _with(
        memory,
        endpoint_arn=endpoint.arn if endpoint else None,
        endpoint_status=endpoint.status if endpoint else None,
        endpoint_config_name=endpoint.config_name if endpoint else None,
        model_name=set_name,
        failure_reason=endpoint.failure_reason[:1024] if endpoint and endpoint.failure_reason else None,
        revisions=revisions[-MOST_REVISIONS:],
    )


def lost(memory: SageMakerStatus) -> SageMakerStatus:
    """The endpoint with that name is not owned by this resource."""
    return _with(memory, endpoint_arn=None, endpoint_status=None)


def begun(
    memory: SageMakerStatus,
    *,
    revision: str,
    rendered_from: str,
    tag_keys: tuple[str, ...],
    last_modified: str | None,
    now: str,
    registration_lost: bool,
) -> SageMakerStatus:
    """A revision is about to be requested, which shows a successor the objects that may exist.

    `last_modified` is that of the endpoint before the request, or None if there is no endpoint. `registration_lost`
    means that the endpoint is not a scalable target afterwards. If the list of revisions is full, the oldest one is
    dropped.
    """
    return _with(
        memory,
        rendered_from=rendered_from,
        revisions=tuple(dict.fromkeys((*memory.revisions, revision)))[-MOST_REVISIONS:],
        tag_keys=tag_keys or None,
        last_modified_time=last_modified,
        request_time=now,
        requested_replicas=None,
        update_accepted=None,
        scaling_request_time=None if registration_lost else memory.scaling_request_time,
    )


def creating(memory: SageMakerStatus) -> SageMakerStatus:
    """CreateEndpoint is about to be called. Even if the endpoint is not found afterwards, it may exist."""
    return _with(memory, endpoint_status=state.CREATING)


def accepted(memory: SageMakerStatus) -> SageMakerStatus:
    """AWS accepted the update, and its outcome is awaited."""
    return _with(memory, endpoint_status=state.UPDATING, update_accepted=True)


def awaited(memory: SageMakerStatus, outcome: bool | None) -> SageMakerStatus:
    """The endpoint shows whether our update is in progress: True, or None if its outcome is known."""
    return _with(memory, update_accepted=outcome)


def undone(memory: SageMakerStatus, last_modified: str) -> SageMakerStatus:
    """The last request failed, and the endpoint is as it was before the request."""
    return _with(memory, last_modified_time=last_modified, update_accepted=None)


def settled(
    memory: SageMakerStatus, last_modified: str, rendered_from: str, tag_keys: tuple[str, ...]
) -> SageMakerStatus:
    """The endpoint runs the wanted revision, and AWS has finished."""
    return _with(
        memory,
        last_modified_time=last_modified,
        rendered_from=rendered_from,
        requested_replicas=None,
        update_accepted=None,
        tag_keys=tag_keys or None,
    )


def counted(memory: SageMakerStatus, last_modified: str) -> SageMakerStatus:
    """A failed request for another instance count was handled."""
    return _with(memory, last_modified_time=last_modified)


def resizing(memory: SageMakerStatus, replicas: int, last_modified: str, now: str) -> SageMakerStatus:
    """Another instance count is about to be requested."""
    return _with(memory, last_modified_time=last_modified, request_time=now, requested_replicas=replicas)


def replaced(memory: SageMakerStatus, last_modified: str, now: str) -> SageMakerStatus:
    """A failed endpoint is about to be deleted, together with its scalable target."""
    return _with(
        memory, last_modified_time=last_modified, request_time=now, update_accepted=None, scaling_request_time=None
    )


def refused(memory: SageMakerStatus) -> SageMakerStatus:
    """AWS refused to create the endpoint: no creation is in progress."""
    return _with(memory, endpoint_status=None)


def collected(memory: SageMakerStatus, kept: tuple[str, ...]) -> SageMakerStatus:
    """The models and configurations of all revisions but the `kept` ones are gone."""
    return _with(memory, revisions=tuple(revision for revision in memory.revisions if revision in kept))


def registering(memory: SageMakerStatus, revision: str, now: str) -> SageMakerStatus:
    """The endpoint is about to be registered as a scalable target, with the policies of `revision`."""
    return _with(memory, scaling_revision=revision, scaling_request_time=now)


def deregistered(memory: SageMakerStatus) -> SageMakerStatus:
    """The endpoint is no longer our scalable target."""
    return _with(memory, scaling_revision=None, scaling_request_time=None)


def retagged(memory: SageMakerStatus, tag_keys: tuple[str, ...]) -> SageMakerStatus:
    """The tags were read, and those that the spec no longer has are removed."""
    return _with(memory, tag_keys=tag_keys or None)
