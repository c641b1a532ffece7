"""Collection of the models and configurations of revisions that no endpoint runs and no spec wants."""

from typing import Unpack

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import SageMakerStatus
from tgi_operator.backends.naming import is_revision
from tgi_operator.backends.plans.planning import Note, Plan
from tgi_operator.backends.plans.verdicts import StatusFields, Verdict
from tgi_operator.backends.sagemaker.decide import memory, steps
from tgi_operator.backends.sagemaker.decide.situation import Situation
from tgi_operator.backends.sagemaker.decide.steps import Step


def collecting(
    situation: Situation,
    verdict: Verdict,
    remember: SageMakerStatus | None = None,
    **fields: Unpack[StatusFields],
) -> Plan[Step]:
    """Return the plan that reports `verdict` and deletes the objects of all but the wanted and the live revision.

    Called only while AWS is not changing the endpoint. The status lists the revisions until they are deleted.
    """
    remember = remember or situation.memory
    kept = tuple(revision for revision in (situation.desired.revision, situation.live_revision) if revision)
    old = tuple(revision for revision in remember.revisions if revision not in kept and is_revision(revision))
    status = situation.report(verdict, remember, **fields)
    if not old:
        return Plan(status)
    one = len(old) == 1
    deleted = "model and endpoint configuration" if one else "models and endpoint configurations"
    revisions = f"{'revision' if one else 'revisions'} {', '.join(old)}"
    note = Note(Reason.COLLECTED, f"Deleted the {deleted} for {revisions}.")
    return Plan(
        status,
        collection=steps.delete_sets(situation.place, old),
        collected=note,
        clean=situation.report(verdict, memory.collected(remember, kept), **fields),
    )
