"""The decision: an ordered chain of rules, each a pure function of the situation that is safe to repeat at any moment.

A rule returns a Plan; an Ask, where it lacks something that the backend has to read first; or None, where it does not
apply. `RULES` is the order. Rules up to `unworkable` need neither a readable spec nor rendered objects.
"""

from tgi_operator.backends.incluster.decide.deletion import deletion
from tgi_operator.backends.incluster.decide.fetching import fetching
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
    deletion,  # deletion: the PVC goes, garbage collection deletes the rest
    not_owned,  # an object of a desired name is not owned by this resource
    unworkable,  # the spec has a problem
    fetching,  # the weights are not on their PVC yet
    outdated,  # there is no Deployment, or it has another revision
    handed_over,  # the replica count is the autoscaler's from now on
    drifted,  # an object is not as it was applied, or another replica count is desired
    squeezed,  # a new pod waits for a GPU that an old pod uses
    refused,  # the cluster refuses to create a pod
    serves,  # all desired pods serve, and nothing is wrong
    rolling,  # pods start, or something keeps them from it
)


def decide(situation: Situation) -> Plan[Step] | Ask:
    """Return what to do next and what to show, or what has to be read before that can be decided."""
    answer = first(RULES, situation)
    if isinstance(answer, Ask) or not _is_rendered(situation):
        return answer
    return scaling.at_next_event(with_scaling_status(situation, answer), situation.spec.autoscaling, situation.now)


def _is_rendered(situation: Situation) -> bool:
    """Return whether the rules after `unworkable` applied."""
    return situation.rendered is not None and situation.foreign is None and not situation.resource.deleting
