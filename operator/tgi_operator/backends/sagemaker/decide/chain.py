"""The decision: spec and what was seen -> the next steps and the status to show. Pure, safe to repeat at any moment.

Each rule is a small function of what is Wanted and seen that returns a Plan, or None where it has nothing to say;
`RULES` is the order they are asked in. The memory they need is in the status, written before the steps it guards.
"""

from collections.abc import Callable

from tgi_operator.api.reasons import Reason
from tgi_operator.api.times import rfc3339
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.plans.verdicts import stalled, with_verdict
from tgi_operator.backends.sagemaker.aws import errors
from tgi_operator.backends.sagemaker.decide.deletion import deletion
from tgi_operator.backends.sagemaker.decide.recovery import failed
from tgi_operator.backends.sagemaker.decide.registration import scaled, stopped
from tgi_operator.backends.sagemaker.decide.rollout import absent, outdated, rolled_back, unsettled
from tgi_operator.backends.sagemaker.decide.scaling_status import told
from tgi_operator.backends.sagemaker.decide.situation import Situation, Wanted
from tgi_operator.backends.sagemaker.decide.sizing import miscounted
from tgi_operator.backends.sagemaker.decide.upkeep import in_service, out_of_service
from tgi_operator.backends.sagemaker.decide.waiting import in_transition
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.backends.sagemaker.seen.state import Step

OUTSIDE_SECONDS = 60
_OUTSIDE_REASONS = frozenset({Reason.SECRET_NOT_FOUND, Reason.SECRET_KEY_NOT_FOUND, Reason.ROLE_NOT_ALLOWED})
"""Problems that may end without a change of the spec, and without a word of it."""


Rule = Callable[[Wanted], Plan[Step] | None]

RULES: tuple[Rule, ...] = (
    in_transition,  # AWS is at work and refuses to be interrupted
    failed,  # the endpoint can only be deleted
    absent,  # there is no endpoint
    stopped,  # the number of instances no longer follows the load
    unsettled,  # AWS has not told the outcome of an update yet
    rolled_back,  # AWS undid what was asked for last
    outdated,  # it runs another revision
    out_of_service,  # it runs the right one, and takes no requests
    miscounted,  # it serves with another number of instances
    in_service,  # all is well
)


def plan(situation: Situation) -> Plan[Step]:
    """Return what to do next and what to show."""
    if situation.unconfirmed:
        return Plan(situation.status, after=5)
    if situation.resource.deleting:
        return deletion(situation)
    if situation.foreign:
        return _not_owned(situation)
    if situation.desired is None:
        return _cannot_work(situation)
    wanted = Wanted(**{name: getattr(situation, name) for name in Situation.__dataclass_fields__})
    chosen = next(found for rule in RULES if (found := rule(wanted)) is not None)
    return told(wanted, scaled(wanted, chosen))


def _not_owned(situation: Situation) -> Plan[Step]:
    tags = ", ".join(f"{key}={value}" for key, value in names.identifying_tags(situation.resource.owner).items())
    message = (
        f'Endpoint "{situation.place.endpoint}" in {situation.place.region} exists and is not tagged as this '
        f"resource's: it is left alone. If it is to be this resource's, tag it {tags}; "
        "if not, set spec.sageMaker.endpointName on a new TGIEndpoint."
    )
    verdict = stalled(Reason.NOT_OWNED, message, available=False)
    status = with_verdict(situation.status, situation.resource.generation, verdict, rfc3339(situation.now))
    return Plan(status, after=errors.REMEDIES[errors.Meaning.NOT_OWNED].longest)


def _cannot_work(situation: Situation) -> Plan[Step]:
    assert situation.problem is not None  # noqa: S101 - no requests were rendered because of it
    verdict = stalled(situation.problem.reason, situation.problem.message, available=situation.available)
    after = OUTSIDE_SECONDS if situation.problem.reason in _OUTSIDE_REASONS else None
    if situation.endpoint is None:
        status = with_verdict(situation.status, situation.resource.generation, verdict, rfc3339(situation.now))
        return Plan(status, after=after)
    return Plan(situation.show(verdict), after=after)
