"""The merge of conditions, which kubectl wait and kstatus rely on."""

from hypothesis import given
from hypothesis import strategies as st

from tgi_operator.api.conditions import ConditionUpdate, merge
from tgi_operator.api.status import Condition, ConditionStatus, ConditionType

EARLIER, NOW = "2026-01-31T12:00:00Z", "2026-01-31T13:00:00Z"
TRUE, FALSE = ConditionStatus.TRUE, ConditionStatus.FALSE
READY, STALLED = ConditionType.READY, ConditionType.STALLED

sayings = st.lists(
    st.builds(
        ConditionUpdate,
        type=st.sampled_from(ConditionType),
        status=st.sampled_from(ConditionStatus),
        reason=st.sampled_from(["Creating", "InService"]),
        message=st.sampled_from(["", "A message."]),
    ),
    unique_by=lambda say: say.type,
)


def condition(kind: ConditionType, status: ConditionStatus, reason: str = "Creating") -> Condition:
    return Condition(
        type=kind, status=status, observed_generation=1, last_transition_time=EARLIER, reason=reason, message="Before."
    )


def test_first_word_has_the_time_and_generation_of_now() -> None:
    (updates,) = merge((), [ConditionUpdate(READY, FALSE, "Creating", "Wait.")], generation=3, now=NOW)
    assert updates == Condition(
        type=READY,
        status=FALSE,
        observed_generation=3,
        last_transition_time=NOW,
        reason="Creating",
        message="Wait.",
    )


def test_another_reason_is_no_transition() -> None:
    before = [condition(READY, FALSE)]
    (updates,) = merge(before, [ConditionUpdate(READY, FALSE, "Updating", "Wait.")], generation=2, now=NOW)
    assert (updates.last_transition_time, updates.reason, updates.message, updates.observed_generation) == (
        EARLIER,
        "Updating",
        "Wait.",
        2,
    )


def test_another_status_is_a_transition() -> None:
    (merged,) = merge([condition(READY, FALSE)], [ConditionUpdate(READY, TRUE, "InService", "")], generation=1, now=NOW)
    assert merged.last_transition_time == NOW


def test_what_is_not_updates_any_more_vanishes() -> None:
    before = [condition(READY, FALSE), condition(STALLED, TRUE)]
    updates = merge(before, [ConditionUpdate(READY, TRUE, "InService", "")], generation=1, now=NOW)
    assert [one.type for one in updates] == [READY]


@given(sayings, sayings)
def test_conditions_are_exactly_what_was_updates_last(
    first: list[ConditionUpdate], second: list[ConditionUpdate]
) -> None:
    before = merge((), first, generation=1, now=EARLIER)
    after = merge(before, second, generation=2, now=NOW)
    assert [(one.type, one.status, one.reason, one.message) for one in after] == [
        (say.type, say.status, say.reason, say.message) for say in second
    ]
    unchanged = {(say.type, say.status) for say in first}
    for one in after:
        assert one.last_transition_time == (EARLIER if (one.type, one.status) in unchanged else NOW)


@given(sayings)
def test_same_words_again_change_nothing(updates: list[ConditionUpdate]) -> None:
    before = merge((), updates, generation=1, now=EARLIER)
    assert merge(before, updates, generation=1, now=NOW) == before
