"""Why a spec cannot work."""

from dataclasses import dataclass

from tgi_operator.api.reasons import Reason


@dataclass(frozen=True)
class Problem:
    """Why a spec cannot work: the message names the field, what was found and what to do."""

    reason: Reason
    message: str
