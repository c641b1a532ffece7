"""Collecting the models and configurations of revisions that nothing runs and nobody wants."""

from typing import Any

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.plans.planning import Note, Plan
from tgi_operator.backends.plans.verdicts import Verdict
from tgi_operator.backends.sagemaker.decide import steps
from tgi_operator.backends.sagemaker.decide.situation import Wanted
from tgi_operator.backends.sagemaker.seen.state import Step


def collecting(at: Wanted, verdict: Verdict, **fields: Any) -> Plan[Step]:
    """Return the plan that shows `verdict` and deletes the sets of all revisions but the wanted and the live one.

    Only for an endpoint that AWS is not at work on. The status lists the sets until they are deleted.
    """
    kept = tuple(dict.fromkeys(revision for revision in (at.desired.revision, at.live_revision) if revision))
    old = tuple(revision for revision in at.remembered.revisions if revision not in kept)
    revisions = tuple(revision for revision in at.remembered.revisions if revision in kept)
    told = Note(Reason.COLLECTED, f"Deleted the models and configurations of revisions {', '.join(old)}.")
    return Plan(
        at.show(verdict, **fields),
        steps=steps.delete_sets(at.place, old),
        done=at.show(verdict, **fields, revisions=revisions),
        notes=(told,) if old else (),
    )
