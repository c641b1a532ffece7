"""The record of verified files."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tgi_operator.weights.record import Record

DIGEST = "ab12"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"1234")
    return path


def verified(claim: Path, file: Path) -> str | None:
    return Record(claim, "hub/model").verified("a", file)


def test_a_record_outlives_its_process(tmp_path: Path, file: Path) -> None:
    record = Record(tmp_path, "hub/model")
    record.put_all({"a": (file, DIGEST), "b": (file, "cd34")})
    record.drop("b")

    again = Record(tmp_path, "hub/model")
    assert (list(again), again.verified("a", file), again.verified("b", file)) == (["a"], DIGEST, None)


def grown(path: Path) -> None:
    path.write_bytes(b"12345")


def exchanged(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"4321")
    other.replace(path)


def writable_for_all(path: Path) -> None:
    path.chmod(0o666)


def of_another_user(path: Path) -> None:
    os.chown(path, 1000, -1)


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "change", [grown, exchanged, writable_for_all, pytest.param(of_another_user, marks=as_root), Path.unlink]
)
def test_a_file_that_changed_is_not_verified_any_more(
    tmp_path: Path, file: Path, change: Callable[[Path], None]
) -> None:
    os.utime(file, ns=(0, 0))
    Record(tmp_path, "hub/model").put("a", file, DIGEST)
    assert verified(tmp_path, file) == DIGEST

    change(file)
    assert verified(tmp_path, file) is None


@pytest.mark.parametrize("forge", [writable_for_all, linked, pytest.param(of_another_user, marks=as_root)])
def test_a_record_that_others_could_have_written_counts_for_nothing(
    tmp_path: Path, file: Path, forge: Callable[[Path], None]
) -> None:
    Record(tmp_path, "hub/model").put("a", file, DIGEST)
    forge(tmp_path / ".fetch" / "hub" / "model.json")

    assert verified(tmp_path, file) is None


@as_root
def test_a_file_of_another_user_is_never_written_down(tmp_path: Path, file: Path) -> None:
    of_another_user(file)
    Record(tmp_path, "hub/model").put("a", file, DIGEST)

    assert list(Record(tmp_path, "hub/model")) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '"a"', '{"a": "1234"}', '{"a": {"size": 4}}', '{"a": null}'])
def test_a_damaged_record_or_one_of_an_earlier_version_verifies_nothing(tmp_path: Path, file: Path, text: str) -> None:
    Record(tmp_path, "hub/model").put("a", file, DIGEST)
    (tmp_path / ".fetch" / "hub" / "model.json").write_text(text)

    assert verified(tmp_path, file) is None
