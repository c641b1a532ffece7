"""An endpoint that is Failed: AWS allows nothing but to delete it."""

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import LastFailure
from tgi_operator.api.times import rfc3339
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.plans.verdicts import progressing, stalled
from tgi_operator.backends.sagemaker.aws import errors
from tgi_operator.backends.sagemaker.aws.errors import Failure
from tgi_operator.backends.sagemaker.decide import attempts, steps
from tgi_operator.backends.sagemaker.decide.situation import Wanted
from tgi_operator.backends.sagemaker.seen import state
from tgi_operator.backends.sagemaker.seen.state import Step


def failed(at: Wanted) -> Plan[Step] | None:
    """The endpoint is Failed, and all that AWS allows is to delete it: when there is something better to create."""
    endpoint = at.endpoint
    if endpoint is None or endpoint.status != state.FAILED:
        return None
    text = endpoint.failure_reason or "AWS gave no reason."
    failure = attempts.remembered(at, at.desired.revision)
    blameless = not at.asked and (at.status.update_revision is not None or not at.up_to_date)
    if failure is None and blameless:
        message = f"The endpoint failed ({text}); it is deleted so that the present spec can be created."
        return _replace(at, Reason.REPLACING, message, at.status.last_failure)
    seen_already = (
        failure is not None
        and at.remembered.endpoint_status == state.FAILED
        and at.remembered.last_modified_time == endpoint.last_modified
    )
    if failure is None or not seen_already:
        found = errors.failure(text, Reason.ENDPOINT_FAILED)
        if at.up_to_date and at.status.current_revision == at.desired.revision and at.status.ready_replicas:
            # It served before: the revision is not to blame, and an endpoint lost is worth another try.
            found = Failure(Reason.INTERNAL_FAILURE, retryable=True)
        failure = attempts.remember(at, at.desired.revision, found.reason, text)
    if attempts.may_be_retried(failure):
        return _replace(at, Reason(failure.reason), f"The endpoint failed and is created again: {text}", failure)
    message = f"Revision {failure.revision} failed and is not tried again until the spec changes: {text}"
    verdict = stalled(Reason(failure.reason), message, available=False)
    kept = {"last_failure": failure, "last_modified_time": endpoint.last_modified, "update_accepted": None}
    return Plan(at.show(verdict, **kept))


def _replace(at: Wanted, reason: Reason, message: str, failure: LastFailure | None) -> Plan[Step]:
    assert at.endpoint is not None  # noqa: S101 - only called for a Failed endpoint
    verdict = progressing(reason, message, available=False)
    return Plan(
        at.show(
            verdict,
            last_failure=failure,
            last_modified_time=at.endpoint.last_modified,
            request_time=rfc3339(at.now),
            update_accepted=None,
            scaling_request_time=None,
        ),
        steps=(
            *((steps.deregister(at.place),) if at.registered else ()),
            steps.delete_endpoint(at.place),
        ),
        ahead=True,
    )
