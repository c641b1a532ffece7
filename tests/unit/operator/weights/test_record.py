"""What was fetched, as it is remembered."""

from pathlib import Path

import pytest

from tgi_operator.weights.record import Record


def test_a_record_outlives_its_process(tmp_path: Path) -> None:
    Record(tmp_path, "s3").put({"a": "1", "b": "2"})
    Record(tmp_path, "s3").drop("a")

    again = Record(tmp_path, "s3")
    assert (list(again), again.get("a"), again.get("b")) == (["b"], None, "2")


@pytest.mark.parametrize("text", ["", "{", "[]", '"a"'])
def test_a_damaged_record_is_empty(tmp_path: Path, text: str) -> None:
    Record(tmp_path, "s3").put({"a": "1"})
    (path,) = tmp_path.rglob("*.json")
    path.write_text(text)

    assert list(Record(tmp_path, "s3")) == []
