"""The existing AWS regions: a request to any other region would wait for an answer that never comes."""

import difflib
from collections.abc import Iterable

from botocore.loaders import create_loader

from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason


class Regions:
    """The regions that resources can name: those of the setting, else all of every partition that botocore knows."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._setting = frozenset(allowed)
        self._known = _known()
        self._regions = self._setting or self._known

    def problem(self, region: str) -> Problem | None:
        """Return the reason why a resource must not name a region, or None if it can."""
        if region in self._regions:
            return None
        if self._setting:
            allowed = ", ".join(sorted(self._setting))
            why = f"the operator does not allow {region} (allowed: {allowed})"
        else:
            why = f"{region} is not a known AWS region"
        return Problem(Reason.UNKNOWN_REGION, f"spec.sageMaker.region: {why}; {self._remedy(region)}")

    def _remedy(self, region: str) -> str:
        """Return what to do. Only a region that can exist is worth a request to the administrators."""
        another = "create a new TGIEndpoint in another region"
        if region in self._known:
            return f"{another}, or ask an administrator to add {region} to --aws-regions"
        meant = _meant(region, self._known | self._setting)
        if meant in self._regions:
            return f"did you mean {meant}? Create a new TGIEndpoint in the correct region"
        if meant:
            return another
        return f"{another}, or if {region} is a new AWS region, ask an administrator to add it to --aws-regions"


def _meant(region: str, known: Iterable[str]) -> str | None:
    """Return the region that was probably meant: one of the same geography and number, with another spelling."""
    alike = sorted(each for each in known if _frame(each) == _frame(region))
    return next(iter(difflib.get_close_matches(region, alike, n=1, cutoff=0.85)), None)


def _frame(region: str) -> tuple[str, str]:
    """Return the first and the last part: us and 1 of us-east-1."""
    return region.partition("-")[0], region.rpartition("-")[2]


def _known() -> frozenset[str]:
    partitions = create_loader().load_data("partitions")["partitions"]
    return frozenset(region for partition in partitions for region in partition["regions"])
