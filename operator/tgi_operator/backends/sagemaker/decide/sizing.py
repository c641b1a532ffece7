"""The number of instances of an endpoint that serves."""

from dataclasses import replace

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import Status
from tgi_operator.api.times import rfc3339
from tgi_operator.backends.plans.planning import Note, Plan
from tgi_operator.backends.plans.verdicts import serving
from tgi_operator.backends.sagemaker.decide import attempts, steps
from tgi_operator.backends.sagemaker.decide.situation import Wanted
from tgi_operator.backends.sagemaker.seen import state
from tgi_operator.backends.sagemaker.seen.state import Endpoint, Step


def miscounted(at: Wanted) -> Plan[Step] | None:
    """It serves with another number of instances than the spec says: ask for that number, and for nothing else."""
    endpoint, replicas = at.endpoint, at.desired.replicas
    if endpoint is None or replicas is None or endpoint.desired_count in (None, replicas):
        return None
    memory = f"{at.desired.revision}-{replicas}"
    failure = attempts.remembered(at, memory)
    asked = at.remembered.requested_replicas == replicas and at.modified
    if asked and endpoint.failure_reason is not None:
        failure = attempts.remember(at, memory, Reason.INSUFFICIENT_CAPACITY, endpoint.failure_reason)
        at = replace(at, resource=replace(at.resource, status=at.status.model_copy(update={"last_failure": failure})))
    if failure is not None and (pause := attempts.pause(at, failure)) > 0:
        message = f"Serves, but AWS could not change the fleet to {replicas} instance(s): {failure.message}"
        verdict = serving(Reason.IN_SERVICE, message)
        return Plan(at.show(verdict, last_modified_time=endpoint.last_modified), after=pause)
    verdict = serving(Reason.SCALING, f"Serves while AWS changes the fleet to {replicas} instance(s).")
    return Plan(
        at.show(
            verdict,
            update_revision=at.desired.revision,
            last_modified_time=endpoint.last_modified,
            request_time=rfc3339(at.now),
            requested_replicas=replicas,
        ),
        steps=(steps.scale(at.desired, replicas),),
        ahead=True,
        after=at.desired.patience_seconds,
        notes=_put_back(at, endpoint, replicas),
    )


def _put_back(at: Wanted, endpoint: Endpoint, replicas: int) -> tuple[Note, ...]:
    """Return what to tell where somebody else changed the number; that the spec did is in the status' history."""
    if at.status.desired_replicas != replicas or at.status.replicas != replicas:
        return ()
    return (Note(Reason.RESTORED, f"Put back from {endpoint.desired_count} to {replicas} instance(s)."),)


def resized(at: Wanted, blocked: Plan[Step]) -> Plan[Step]:
    """Give what serves the number of instances that the spec says, while a plan says why its successor has to wait.

    Once for each number: what AWS made of it is not looked into, since the failure of the successor is what is shown.
    """
    endpoint, replicas = at.endpoint, at.desired.replicas
    if endpoint is None or replicas is None or endpoint.status != state.IN_SERVICE:
        return blocked
    if endpoint.desired_count in (None, replicas) or at.remembered.requested_replicas == replicas:
        return blocked

    def asked(status: Status) -> Status:
        memory = {
            "last_modified_time": endpoint.last_modified,
            "request_time": rfc3339(at.now),
            "requested_replicas": replicas,
        }
        assert status.sage_maker is not None  # noqa: S101 - `show` sets it
        return status.model_copy(update={"sage_maker": status.sage_maker.model_copy(update=memory)})

    return replace(
        blocked,
        status=asked(blocked.status),
        steps=(*blocked.steps, steps.scale(at.desired, replicas)),
        ahead=True,
        done=asked(blocked.done) if blocked.done is not None else None,
    ).sooner(at.desired.patience_seconds)
