"""The decision: an ordered chain of rules. Each is a pure function of the situation, and safe to repeat at any time.

A rule returns a Plan, an Ask for inputs that the backend has to read first, or None if it does not apply. `RULES` is
the order. Rules up to `unworkable` need neither a readable spec nor rendered objects.
"""

from tgi_operator.backends.incluster.decide.deletion import deletion
from tgi_operator.backends.incluster.decide.fetching import fetching
from tgi_operator.backends.incluster.decide.rollback import failed, rolled_back
from tgi_operator.backends.incluster.decide.rollout import outdated, squeezed
from tgi_operator.backends.incluster.decide.scaling_status import handed_over, with_scaling_status
from tgi_operator.backends.incluster.decide.serving import refused, rolling, serves
from tgi_operator.backends.incluster.decide.situation import Situation
from tgi_operator.backends.incluster.decide.steps import Step
from tgi_operator.backends.incluster.decide.upkeep import drifted
from tgi_operator.backends.plans import scaling
from tgi_operator.backends.plans.planning import Ask, Plan, Rule, first
from tgi_operator.backends.rules.shared import not_owned, retained, unworkable

RULES: tuple[Rule[Situation, Step], ...] = (
    retained,  # deletion with deletionPolicy Retain: the PVC stays
    deletion,  # deletion: the operator deletes the PVC, garbage collection the rest
    not_owned,  # an object with a desired name is not owned by this resource
    unworkable,  # the spec has a problem
    fetching,  # the weights are not on their PVC yet
    outdated,  # there is no Deployment, or it has another revision
    handed_over,  # from now on, the autoscaler sets the replica count
    drifted,  # an object differs from what was applied, or another replica count is desired
    squeezed,  # a new pod fits only after an old pod frees its GPU
    failed,  # the revision did not become ready in time: restore the last one that served requests
    rolled_back,  # the revision of the spec failed, and the last one that served requests runs again
    refused,  # the cluster refuses to create a pod
    serves,  # all desired pods serve without problems
    rolling,  # pods start, or a problem keeps them from starting
)


def decide(situation: Situation) -> Plan[Step] | Ask:
    """Return the next steps and the status to show, or the inputs that the decision still needs."""
    answer = first(RULES, situation)
    if isinstance(answer, Ask) or not _is_rendered(situation):
        return answer
    return scaling.at_next_event(with_scaling_status(situation, answer), situation.spec.autoscaling, situation.now)


def _is_rendered(situation: Situation) -> bool:
    """Return whether a rule after `unworkable` applied."""
    return situation.rendered is not None and situation.foreign is None and not situation.resource.deleting
