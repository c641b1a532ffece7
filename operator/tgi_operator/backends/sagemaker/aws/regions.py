"""Which AWS regions there are: a request to any other would wait for an answer that never comes."""

from collections.abc import Iterable

from botocore.loaders import create_loader

from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason


class Regions:
    """The regions that resources may name: those of the setting, else all of every partition that botocore knows."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._setting = frozenset(allowed)
        self._regions = self._setting or _known()

    def problem(self, region: str) -> Problem | None:
        """Return why a resource may not name a region; None where it may."""
        if region in self._regions:
            return None
        why = "is not an AWS region that this version of the operator knows"
        if self._setting:
            why = f"is not allowed by the operator's administrators (allowed: {', '.join(sorted(self._setting))})"
        return Problem(
            Reason.UNKNOWN_REGION,
            f"spec.sageMaker.region: {region} {why}; create a new TGIEndpoint in another region, or have the "
            "administrators add this one to --aws-regions",
        )


def _known() -> frozenset[str]:
    partitions = create_loader().load_data("partitions")["partitions"]
    return frozenset(region for partition in partitions for region in partition["regions"])
