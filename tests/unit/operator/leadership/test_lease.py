"""The fields of a Lease."""

from tgi_operator.leadership import lease
from tgi_operator.leadership.lease import Record

CONTENT = Record("pod-1_u-1", 15, "2026-11-24T10:00:00.000000Z", "2026-11-24T10:00:02.500000Z", 3)


def test_what_is_written_is_read() -> None:
    assert lease.record(lease.body(CONTENT, None)) == CONTENT


def test_a_new_one_has_its_name() -> None:
    made = lease.body(CONTENT, None)
    assert (made["apiVersion"], made["kind"]) == ("coordination.k8s.io/v1", "Lease")
    assert made["metadata"] == {"name": "tgi-operator"}


def test_what_others_have_written_stays() -> None:
    known = {
        "metadata": {"name": "tgi-operator", "resourceVersion": "7", "labels": {"a": "b"}},
        "spec": {"strategy": "x"},
    }
    made = lease.body(CONTENT, known)
    assert made["metadata"] == known["metadata"]
    assert made["spec"]["strategy"] == "x"
    assert lease.record(made) == CONTENT
    assert known["spec"] == {"strategy": "x"}


def test_an_empty_one_is_nobodys() -> None:
    assert lease.record({"metadata": {"name": "tgi-operator"}}) == Record("", 0, "", "", 0)


def test_times_are_those_of_kubernetes() -> None:
    assert lease.micro_time(1764324000.25) == "2025-11-28T10:00:00.250000Z"
