"""Rollback of a revision that does not become ready to the last revision that served requests."""

from dataclasses import replace

from tgi_operator.api.incluster import OnFailure
from tgi_operator.api.status import LastFailure
from tgi_operator.backends.incluster.decide.serving import has_failed, outcome
from tgi_operator.backends.incluster.decide.situation import Situation
from tgi_operator.backends.incluster.decide.steps import Apply, Step
from tgi_operator.backends.plans.planning import Ask, Need, Plan
from tgi_operator.backends.resource import Resource


def failed(situation: Situation) -> Plan[Step] | Ask | None:
    """The revision did not become ready in time: restore the pods of the last revision that served requests.

    The Deployment keeps their template in a ReplicaSet, and keeps the inputs of the failed revision in an annotation.
    While the spec has these inputs, the restored template stays.
    """
    deployed, desired, last = situation.deployed, situation.desired, situation.status.current_revision
    if deployed is None or deployed.complete or desired.rolled_back_from is not None:
        return None
    if last in (None, deployed.revision) or _holds(situation) or not has_failed(situation):
        return None
    if situation.last_good is None:
        return Ask(frozenset({Need.LAST_GOOD}))
    if not situation.last_good:
        return None
    failure = outcome(situation).last_failure
    restored = replace(desired, template=situation.last_good, revision=str(last), rolled_back_from=deployed.revision)
    undone = replace(situation, rendered=restored, resource=_with_failure(situation.resource, failure))
    manifest = restored.deployment(situation.applied_replicas, deployed.strategy)
    return Plan(outcome(undone), steps=(Apply.of(manifest),))


def rolled_back(situation: Situation) -> Plan[Step] | None:
    """The revision of the spec failed, and the last revision that served requests runs again."""
    return Plan(outcome(situation)) if situation.desired.rolled_back_from is not None else None


def _with_failure(resource: Resource, failure: LastFailure | None) -> Resource:
    return replace(resource, status=resource.status.model_copy(update={"last_failure": failure}))


def _holds(situation: Situation) -> bool:
    rollout = situation.desired.rollout
    return rollout is not None and rollout.on_failure is OnFailure.HOLD
