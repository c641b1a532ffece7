"""How to go on after a refusal: what to show, and when to try again."""

from dataclasses import dataclass

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.sagemaker.aws.errors import Meaning


@dataclass(frozen=True)
class Remedy:
    """How to go on after an error: the reason shown, whether a person must act, and the pause before the next attempt.

    Pauses are in seconds and double from `first` to `longest`. The first `patience` failures in a row leave the status
    as it is: they usually end before anyone reads it.
    """

    reason: Reason
    stalled: bool
    first: float
    longest: float
    patience: int = 0

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row."""
        return min(self.first * 2.0 ** (failures - 1), self.longest)


REMEDIES: dict[Meaning, Remedy] = {
    # Reads are eventually consistent: AWS may not find what it has just created for half a minute.
    Meaning.ENDPOINT_NOT_FOUND: Remedy(Reason.CREATING, stalled=False, first=1, longest=30, patience=5),
    Meaning.CONFIG_NOT_FOUND: Remedy(Reason.CREATING, stalled=False, first=1, longest=30, patience=5),
    Meaning.MODEL_NOT_FOUND: Remedy(Reason.CREATING, stalled=False, first=1, longest=30, patience=5),
    Meaning.TARGET_NOT_FOUND: Remedy(Reason.SCALING_FAILED, stalled=False, first=5, longest=120, patience=5),
    # botocore does not retry it, and it ends in a minute or two.
    Meaning.CONCURRENT_UPDATE: Remedy(Reason.SCALING_FAILED, stalled=False, first=15, longest=120, patience=3),
    Meaning.ALREADY_EXISTS: Remedy(Reason.CREATING, stalled=False, first=0.5, longest=30, patience=3),
    Meaning.IN_PROGRESS: Remedy(Reason.UPDATING, stalled=False, first=1, longest=60, patience=3),
    Meaning.CONFIG_IN_USE: Remedy(Reason.UPDATING, stalled=False, first=1, longest=60, patience=3),
    Meaning.QUOTA_EXCEEDED: Remedy(Reason.QUOTA_EXCEEDED, stalled=True, first=600, longest=1800),
    Meaning.NO_CAPACITY: Remedy(Reason.INSUFFICIENT_CAPACITY, stalled=False, first=60, longest=1800),
    # A role just created takes a minute or two until SageMaker may assume it.
    Meaning.INVALID_ROLE: Remedy(Reason.INVALID_EXECUTION_ROLE, stalled=True, first=5, longest=600, patience=5),
    # Only an attempt shows whether the bucket, the role's policy or the registry has been corrected.
    Meaning.MODEL_DATA_NOT_READABLE: Remedy(Reason.MODEL_DATA_NOT_READABLE, stalled=True, first=60, longest=1800),
    Meaning.IMAGE_NOT_FOUND: Remedy(Reason.IMAGE_NOT_FOUND, stalled=True, first=60, longest=1800),
    # The policy of another owner has the same metric. A free read shows when it is gone: look for it every minute.
    Meaning.METRIC_TAKEN: Remedy(Reason.SCALING_FAILED, stalled=False, first=30, longest=60),
    # A target that was deregistered a moment ago may still count; one that another owner registered lasts.
    Meaning.TARGET_REGISTERED: Remedy(Reason.UPDATING, stalled=False, first=5, longest=300, patience=3),
    Meaning.ACCESS_DENIED: Remedy(Reason.ACCESS_DENIED, stalled=True, first=60, longest=300),
    Meaning.CREDENTIALS_EXPIRED: Remedy(Reason.CREDENTIALS_EXPIRED, stalled=False, first=1, longest=60, patience=3),
    Meaning.THROTTLED: Remedy(Reason.THROTTLED, stalled=False, first=1, longest=60, patience=3),
    Meaning.UNAVAILABLE: Remedy(Reason.AWS_UNAVAILABLE, stalled=False, first=1, longest=60, patience=3),
    Meaning.NOT_OWNED: Remedy(Reason.NOT_OWNED, stalled=True, first=2, longest=600, patience=3),
    Meaning.UNKNOWN: Remedy(Reason.REJECTED_BY_AWS, stalled=True, first=60, longest=1800),
}
"""By meaning. REJECTED has none: the operator does not send the same request again."""
