"""Remedies for errors."""

from datetime import datetime, timedelta

from tgi_operator.api.reasons import Reason
from tgi_operator.api.times import rfc3339
from tgi_operator.backends.base import Remedy
from tgi_operator.backends.incluster.apply import RefusedError
from tgi_operator.backends.incluster.decide.situation import Situation
from tgi_operator.backends.plans.verdicts import stalled, was_available, with_verdict
from tgi_operator.backends.resource import Resource

_MOST_CHARACTERS = 4096
_REFUSED_SECONDS = 300


def remedy(resource: Resource, situation: Situation | None, error: Exception, now: datetime) -> Remedy | None:
    """Return the remedy for a refusal: the spec, the operator's permissions or a policy must change."""
    if not isinstance(error, RefusedError):
        return None
    available = situation.available if situation is not None else was_available(resource.status)
    when = rfc3339(now + timedelta(seconds=_REFUSED_SECONDS))
    message = f"{str(error)[:_MOST_CHARACTERS].rstrip('.')}. Retrying at {when}."
    verdict = stalled(Reason.REJECTED_BY_KUBERNETES, message, available=available)
    return Remedy(with_verdict(resource.status, resource.generation, verdict, rfc3339(now)), _REFUSED_SECONDS)
