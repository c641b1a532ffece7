"""How pods are replaced."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_operator.api.incluster import Rollout
from tgi_operator.backends.incluster.desired.strategy import IN_PLACE, SURGE, Strategy, asked


def rollout(**fields: Any) -> Rollout:
    return Rollout.model_validate(fields)


@pytest.mark.parametrize(
    ("given_rollout", "expected"),
    [
        pytest.param(None, None, id="nothing said"),
        pytest.param(rollout(), None, id="nothing said in it"),
        pytest.param(rollout(progressDeadlineSeconds=60), None, id="nothing said of pods"),
        pytest.param(rollout(maxSurge=1), Strategy(1, 0), id="a pod more"),
        pytest.param(rollout(maxSurge=0), Strategy(0, 1), id="no pod more"),
        pytest.param(rollout(maxSurge="0%"), Strategy("0%", 1), id="no percent more"),
        pytest.param(rollout(maxUnavailable=1), Strategy(0, 1), id="a pod fewer"),
        pytest.param(rollout(maxUnavailable=0), Strategy(1, 0), id="no pod fewer"),
        pytest.param(rollout(maxUnavailable="0%"), Strategy(1, "0%"), id="no percent fewer"),
        pytest.param(rollout(maxSurge="25%", maxUnavailable="10%"), Strategy("25%", "10%"), id="percentages"),
        pytest.param(rollout(maxSurge="2", maxUnavailable=3), Strategy(2, 3), id="numbers, one as a text"),
    ],
)
def test_what_the_spec_asks_for(given_rollout: Rollout | None, expected: Strategy | None) -> None:
    assert asked(given_rollout) == expected


@given(
    st.sampled_from(["maxSurge", "maxUnavailable"]),
    st.from_regex(r"((0|[1-9][0-9]{0,5})|(0|[1-9][0-9]?|100)%)", fullmatch=True),
)
def test_what_the_spec_leaves_out_never_makes_both_zero(field: str, amount: str) -> None:
    """Kubernetes refuses such a Deployment."""
    found = asked(rollout(**{field: amount}))
    assert found is not None
    assert {int(str(each).rstrip("%")) for each in (found.max_surge, found.max_unavailable)} != {0}


@pytest.mark.parametrize(
    ("strategy", "name"),
    [
        (SURGE, "Surge"),
        (IN_PLACE, "InPlace"),
        (Strategy("0%", 1), "InPlace"),
        (Strategy("10%", 0), "Surge"),
        (Strategy(10, 1), "Surge"),
    ],
)
def test_name_in_the_status(strategy: Strategy, name: str) -> None:
    assert strategy.replacement == name


@pytest.mark.parametrize("strategy", [SURGE, IN_PLACE, Strategy("25%", 0)])
def test_strategy_is_read_back_as_it_was_written(strategy: Strategy) -> None:
    assert Strategy.of({"spec": {"strategy": strategy.manifest}}) == strategy


@pytest.mark.parametrize("spec", [{}, {"strategy": {"type": "Recreate"}}, {"strategy": {"rollingUpdate": None}}])
def test_deployment_that_says_nothing_has_the_defaults_of_kubernetes(spec: dict[str, Any]) -> None:
    assert Strategy.of({"spec": spec}) == Strategy("25%", "25%")
