"""An endpoint that is Failed: AWS allows only its deletion."""

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import LastFailure
from tgi_operator.api.times import rfc3339
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.plans.verdicts import progressing
from tgi_operator.backends.sagemaker.aws import errors
from tgi_operator.backends.sagemaker.decide import attempts, memory, steps
from tgi_operator.backends.sagemaker.decide.situation import Situation
from tgi_operator.backends.sagemaker.decide.steps import Step
from tgi_operator.backends.sagemaker.seen import state

NO_REASON = "AWS gave no reason."


def failed(situation: Situation) -> Plan[Step] | None:
    """The endpoint is Failed: delete it once there is a better revision to create."""
    endpoint, status = situation.endpoint, situation.status
    if endpoint is None or endpoint.status != state.FAILED:
        return None
    text, revision = endpoint.failure_reason or NO_REASON, situation.desired.revision
    failure = attempts.remembered(situation, revision)
    innocent = not situation.requested and (status.update_revision is not None or not situation.up_to_date)
    if failure is None and innocent:
        message = (
            f"The endpoint failed: {text.removesuffix('.')}. The operator is deleting the endpoint and will "
            "recreate it from the current spec."
        )
        return _replace(situation, Reason.REPLACING, message, status.last_failure)
    counted = (
        failure is not None
        and situation.remembered.endpoint_status == state.FAILED
        and situation.remembered.last_modified_time == endpoint.last_modified
    )
    if failure is None or not counted:
        reason = errors.failure(text, Reason.ENDPOINT_FAILED)
        if situation.up_to_date and status.current_revision == revision and status.ready_replicas:
            # The revision served before and did not cause the failure, and a lost endpoint is worth another attempt.
            reason = Reason.INTERNAL_FAILURE
        failure = attempts.remember(situation, revision, reason, text)
    if attempts.is_due(situation, failure):
        message = (
            f"The endpoint failed: {text.removesuffix('.')}. The operator is deleting the endpoint and will recreate "
            "it."
        )
        # An earlier failure does not delay a user's request.
        remembered = None if situation.resource.requested else failure
        return _replace(situation, Reason(failure.reason), message, remembered)
    return Plan(
        situation.report(
            attempts.verdict(situation, failure),
            memory.undone(situation.memory, endpoint.last_modified),
            last_failure=failure,
            image=situation.kept_image,
        )
    )


def _replace(situation: Situation, reason: Reason, message: str, failure: LastFailure | None) -> Plan[Step]:
    image = situation.kept_image
    remember = memory.replaced(situation.memory, situation.living.last_modified, rfc3339(situation.now))
    return Plan(
        situation.report(progressing(reason, message, available=False), remember, last_failure=failure, image=image),
        steps=(
            *((steps.deregister(situation.place),) if situation.registered else ()),
            steps.delete_endpoint(situation.place),
        ),
        ahead=True,
    )
