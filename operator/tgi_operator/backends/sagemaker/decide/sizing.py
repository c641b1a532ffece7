"""The instance count of an endpoint that serves."""

from dataclasses import replace

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import LastFailure, SageMakerStatus, Status
from tgi_operator.api.times import parse, rfc3339
from tgi_operator.backends.plans.planning import Note, Plan
from tgi_operator.backends.plans.verdicts import Verdict, as_reported, progressing, serving
from tgi_operator.backends.sagemaker.decide import attempts, memory, steps
from tgi_operator.backends.sagemaker.decide.situation import Situation
from tgi_operator.backends.sagemaker.decide.steps import Step
from tgi_operator.backends.sagemaker.decide.upkeep import repairs
from tgi_operator.backends.sagemaker.seen import state

AGAIN_SECONDS = 300
"""Seconds until a failed request for another instance count is repeated, while a successor waits."""


def miscounted(situation: Situation) -> Plan[Step] | None:
    """The endpoint serves with another instance count than the spec's: request only that count."""
    endpoint, replicas = situation.living, situation.desired.replicas
    if replicas is None or endpoint.desired_count in (None, replicas):
        return None
    failure = _failure(situation, replicas)
    seconds = attempts.pause(situation, failure) if failure is not None else 0.0
    if failure is not None and seconds > 0:
        remember = memory.counted(situation.memory, endpoint.last_modified)
        status = situation.report(_verdict(situation, failure, replicas), remember, last_failure=failure)
        return Plan(status, after=seconds)
    message = f"Serving; AWS is changing the replica count to {replicas}."
    verdict = serving(Reason.SCALING, message)
    if repairs(situation):
        # Repairs come once the fleet has its size. Only then does the endpoint match the spec of this generation.
        verdict = progressing(Reason.SCALING, message, available=situation.available)
    status = situation.report(
        verdict,
        _resizing(situation, situation.memory, replicas),
        update_revision=situation.desired.revision,
        last_failure=failure or situation.status.last_failure,
    )
    return Plan(
        # None of it is true until AWS accepts the request.
        as_reported(situation.status, status),
        steps=(steps.scale(situation.desired, replicas),),
        ahead=True,
        done=status,
        after=situation.desired.patience_seconds,
        notes=_restored(situation, replicas),
    )


def _failure(situation: Situation, replicas: int) -> LastFailure | None:
    """Return the memory of a request for this many instances that AWS could not complete."""
    endpoint, revision = situation.living, revision_of(situation, replicas)
    requested = situation.remembered.requested_replicas == replicas and situation.modified
    if requested and endpoint.failure_reason is not None:
        return attempts.remember(situation, revision, Reason.INSUFFICIENT_CAPACITY, endpoint.failure_reason)
    return attempts.remembered(situation, revision)


def revision_of(situation: Situation, replicas: int) -> str:
    """Return the key of an instance count of the wanted revision in the memory of failures."""
    return f"{situation.desired.revision}-{replicas}"


def _verdict(situation: Situation, failure: LastFailure, replicas: int) -> Verdict:
    """Return the verdict until the next attempt: a refusal needs a user, a lack of capacity does not."""
    if attempts.RETRIES[failure.reason].stalled:
        return attempts.verdict(situation, failure)
    when = rfc3339(attempts.next_attempt(failure))
    message = (
        f"Serving, but AWS could not change the replica count to {replicas}; retrying at {when}: {failure.message}"
    )
    return serving(Reason.IN_SERVICE, message)


def _resizing(situation: Situation, remember: SageMakerStatus, replicas: int) -> SageMakerStatus:
    return memory.resizing(remember, replicas, situation.living.last_modified, rfc3339(situation.now))


def _restored(situation: Situation, replicas: int) -> tuple[Note, ...]:
    """Return the Event if another user changed the count. Changes in the spec are in the history in the status."""
    if situation.status.desired_replicas != replicas or situation.status.replicas != replicas:
        return ()
    message = f"Restored the replica count from {situation.living.desired_count} to {replicas}."
    return (Note(Reason.RESTORED, message),)


def resized(situation: Situation, blocked: Plan[Step]) -> Plan[Step]:
    """Give the serving revision the spec's instance count, while `blocked` reports why its successor has to wait.

    This happens once for each count that AWS starts to change to. The outcome is ignored, because the status reports
    the failure of the successor.
    """
    endpoint, replicas = situation.living, situation.desired.replicas
    if replicas is None or endpoint.status != state.IN_SERVICE:
        return blocked
    if endpoint.desired_count in (None, replicas):
        return blocked
    if situation.remembered.requested_replicas == replicas:
        waits = _seconds_until_again(situation)
        if situation.modified:
            return blocked
        if waits > 0:
            return blocked.sooner(waits)
    count = replicas

    def requested(status: Status) -> Status:
        remember = status.sage_maker or situation.memory
        return status.model_copy(update={"sage_maker": _resizing(situation, remember, count)})

    return replace(
        blocked.reaching(requested),
        status=requested(blocked.status),
        steps=(*blocked.steps, steps.scale(situation.desired, replicas)),
        ahead=True,
    ).sooner(situation.desired.patience_seconds)


def _seconds_until_again(situation: Situation) -> float:
    """Return the seconds until a request that changed nothing, refused or never sent, is repeated."""
    requested = situation.remembered.request_time
    passed = (situation.now - parse(requested)).total_seconds() if requested is not None else AGAIN_SECONDS
    return max(0.0, AGAIN_SECONDS - passed)
