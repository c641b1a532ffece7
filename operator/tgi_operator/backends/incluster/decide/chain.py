"""The decision: spec and what was seen -> the next steps and the status to show. Pure, safe to repeat at any moment.

Each rule is a small function of what is Wanted and seen that returns a Plan, or None where it has nothing to say;
`RULES` is the order they are asked in.
"""

from collections.abc import Callable

from tgi_operator.api.reasons import Reason
from tgi_operator.api.spec import DeletionPolicy
from tgi_operator.backends.incluster.decide.fetching import fetching
from tgi_operator.backends.incluster.decide.rollout import outdated, squeezed
from tgi_operator.backends.incluster.decide.scaling_status import handed_over, told
from tgi_operator.backends.incluster.decide.serving import refused, rolling, serves
from tgi_operator.backends.incluster.decide.situation import Situation, Wanted
from tgi_operator.backends.incluster.decide.steps import Delete, Step
from tgi_operator.backends.incluster.decide.upkeep import drifted
from tgi_operator.backends.plans.planning import Note, Plan
from tgi_operator.backends.plans.verdicts import stalled

SECRET_SECONDS = 60
FOREIGN_SECONDS = 30

Rule = Callable[[Wanted], Plan[Step] | None]

RULES: tuple[Rule, ...] = (
    fetching,  # the weights are not on their claim yet
    outdated,  # there is no Deployment, or it asks for another revision
    handed_over,  # the number of pods is the autoscaler's from now on
    drifted,  # something is not as it was applied, or another number of pods is wanted
    squeezed,  # a new pod waits for a GPU that an old one has
    refused,  # the cluster lets no pod be made
    serves,  # all pods wanted serve, and nothing is wrong
    rolling,  # pods start, or something keeps them from it
)


def plan(situation: Situation) -> Plan[Step]:
    """Return what to do next and what to show."""
    if situation.resource.deleting:
        return _deletion(situation)
    if situation.foreign is not None:
        message = (
            f"{situation.foreign} exists and is not this resource's: it is left alone. "
            "Delete it, or choose another name."
        )
        verdict = stalled(Reason.NOT_OWNED, message, available=situation.available)
        return Plan(situation.show(verdict), after=FOREIGN_SECONDS)
    if situation.desired is None:
        assert situation.problem is not None  # noqa: S101 - nothing was rendered because of it
        verdict = stalled(situation.problem.reason, situation.problem.message, available=situation.available)
        # Secrets of other types than Opaque are not watched.
        return Plan(situation.show(verdict), after=SECRET_SECONDS)
    wanted = Wanted(**{name: getattr(situation, name) for name in Situation.__dataclass_fields__})
    return told(wanted, next(found for rule in RULES if (found := rule(wanted)) is not None))


def _deletion(situation: Situation) -> Plan[Step]:
    """Garbage collection takes all that is owned; the claim goes by the deletion policy."""
    claims = () if situation.spec.deletion_policy is DeletionPolicy.RETAIN else situation.claims
    return Plan(
        situation.status,
        steps=tuple(Delete(claim) for claim in claims),
        notes=(Note(Reason.DELETED, "Pods and what belongs to them are being removed."),),
        finished=True,
    )
