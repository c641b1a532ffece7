"""The reason why a spec cannot work."""

from dataclasses import dataclass

from tgi_operator.api.reasons import Reason


@dataclass(frozen=True)
class Problem:
    """The reason why a spec cannot work. The message names the field, the value found and the fix."""

    reason: Reason
    message: str
