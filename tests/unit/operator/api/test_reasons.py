"""The vocabulary of conditions and Events."""

import re

import pytest

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import Condition, ConditionStatus, ConditionType


@pytest.mark.parametrize("reason", Reason)
def test_reason_is_one_camel_case_word_and_its_name(reason: Reason) -> None:
    assert re.fullmatch(r"[A-Z][A-Za-z]*", reason)
    assert reason.lower() == reason.name.replace("_", "").lower()


@pytest.mark.parametrize("reason", Reason)
def test_reason_is_documented_in_whole_sentences(reason: Reason) -> None:
    assert min(len(reason.means), len(reason.look)) > 15
    assert reason.means.endswith(".")
    assert reason.fix.endswith(".")


@pytest.mark.parametrize("reason", Reason)
def test_reason_can_be_read_back_from_a_status(reason: Reason) -> None:
    shown = Condition(
        type=ConditionType.READY,
        status=ConditionStatus.FALSE,
        last_transition_time="2026-01-31T12:00:00Z",
        reason=reason,
        message="",
    ).model_dump(mode="json", by_alias=True)
    assert type(shown["reason"]) is str
    assert Reason(Condition.model_validate(shown).reason) is reason


def test_no_two_reasons_are_the_same_word_or_mean_the_same() -> None:
    # An Enum silently treats a repeated value as an alias.
    assert len(Reason.__members__) == len(list(Reason))
    assert len({reason.means for reason in Reason}) == len(list(Reason))
