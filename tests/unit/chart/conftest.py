"""The chart with every switch on."""

import pytest

from unit.chart.given import EVERYTHING
from unit.chart.rendering import Object, rendered


@pytest.fixture(scope="session")
def everything() -> list[Object]:
    """Return the objects with every switch on."""
    return rendered(EVERYTHING)
