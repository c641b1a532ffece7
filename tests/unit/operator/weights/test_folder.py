"""Files that can be written into a folder, and whether it contains a model."""

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_operator.weights import folder
from tgi_operator.weights.failures import LastingError, PassingError

HERE = Path("/claim/model")
INDEX = "model.safetensors.index.json"


@given(st.text(alphabet="ab./\\\0~$", max_size=12))
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    try:
        path = folder.inside(HERE, name)
    except LastingError:
        return
    assert path.resolve() == path
    assert HERE in path.parents
    assert str(path.relative_to(HERE)) == name


@pytest.mark.parametrize("name", ["config.json", "a/b.json", "..config", "a/...", ".gitattributes", "a/.fetch"])
def test_an_odd_name_is_a_name(name: str) -> None:
    assert folder.inside(HERE, name) == HERE / name


@pytest.mark.parametrize(
    "name", ["..", "../x", "a/../../x", "/etc/passwd", "a//b", "a/", "", "./a", ".fetch/lock", "a\0b"]
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(LastingError, match="is not allowed in /claim/model"):
        folder.inside(HERE, name)


def index(*shards: str) -> str:
    return json.dumps({"weight_map": {f"layer.{number}": shard for number, shard in enumerate(shards)}})


@pytest.mark.parametrize(
    "files",
    [
        {"config.json": "{}", "model.safetensors": ""},
        {"config.json": "{}", "pytorch_model.bin": ""},
        {"config.json": "{}", "a.safetensors": "", "b.safetensors": "", INDEX: index("a.safetensors", "b.safetensors")},
    ],
)
def test_a_model_is_a_configuration_and_weights(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    folder.check(tmp_path, allow_pickle=True)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "has no config.json"),
        ({"model.safetensors": ""}, "has no config.json"),
        ({"config.json": "{}"}, "has no weights"),
        ({"config.json": "{}", "training_args.bin": ""}, "has no weights"),
        ({"config.json": "{}", "model.gguf": ""}, "has no weights"),
        (
            {"config.json": "{}", "a.safetensors": "", INDEX: index("a.safetensors", "b.safetensors")},
            "1 of the files that are listed in model.safetensors.index.json: b.safetensors; copy it to the folder",
        ),
        (
            {"config.json": "{}", "a.safetensors": "", INDEX: index("a.safetensors", "b.safetensors", "c.safetensors")},
            "2 of the files that are listed in model.safetensors.index.json, such as b.safetensors; copy them to the",
        ),
        ({"config.json": "{}", "a.safetensors": "", INDEX: "{"}, "cannot be read"),
        ({"config.json": "{}", "a.safetensors": "", INDEX: "[]"}, "cannot be read"),
        ({"config.json": "{}", "a.safetensors": "", INDEX: "[" * 100_000}, "cannot be read"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, files: dict[str, str], words: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(LastingError, match=words):
        folder.check(tmp_path, allow_pickle=True)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\udcff"])
def test_configuration_that_cannot_be_parsed_counts_as_none(tmp_path: Path, text: str) -> None:
    """TGI reports it if it reads the file."""
    (tmp_path / "config.json").write_text(text, errors="surrogateescape")
    (tmp_path / "tokenizer_config.json").write_text("{}")
    (tmp_path / "model.safetensors").touch()
    assert folder.configs(tmp_path) == {"tokenizer_config.json": {}}
    folder.check(tmp_path, allow_pickle=False)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LastingError, match="/nowhere cannot be read"):
        folder.check(tmp_path / "nowhere", allow_pickle=True)


def test_more_than_is_free_is_refused(tmp_path: Path) -> None:
    folder.require_space(tmp_path, 1)
    with pytest.raises(
        LastingError, match=r"1073741824\.0 GiB must be fetched, but the volume that contains .* GiB free"
    ):
        folder.require_space(tmp_path, 2**60)


def test_pickled_weights_alone_are_no_model_unless_they_are_allowed(tmp_path: Path) -> None:
    for name in ("config.json", "pytorch_model.bin"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(LastingError, match=r"pickle files.*set spec\.model\.allowPickle to true"):
        folder.check(tmp_path, allow_pickle=False)
    (tmp_path / "model.safetensors").write_text("")
    folder.check(tmp_path, allow_pickle=False)


def test_weights_that_are_not_of_the_model_are_refused(tmp_path: Path) -> None:
    for name in ("model.safetensors", "notes.txt"):
        (tmp_path / name).write_text("")
    folder.require_only(tmp_path, {"model.safetensors"})
    (tmp_path / "planted.safetensors").write_text("")
    with pytest.raises(
        LastingError, match=r"1 weight file that is not part of the model: planted.safetensors; remove it$"
    ):
        folder.require_only(tmp_path, {"model.safetensors"})
    (tmp_path / "rogue.safetensors").write_text("")
    with pytest.raises(
        LastingError, match=r"2 weight files that are not .*, such as planted.safetensors; remove them$"
    ):
        folder.require_only(tmp_path, {"model.safetensors"})


def test_a_link_that_leads_out_of_the_directory_is_refused(tmp_path: Path) -> None:
    claim = tmp_path / "claim"
    (claim / "a").mkdir(parents=True)
    (claim / "inside").symlink_to(claim / "a")
    (claim / "outside").symlink_to(tmp_path)
    folder.require_contained(claim, claim / "inside" / "x")
    with pytest.raises(LastingError, match="is a link that points outside"):
        folder.require_contained(claim, claim / "outside" / "x")


def test_a_volume_that_fails_is_read_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "iterdir", fail)
    with pytest.raises(PassingError, match="Input/output error; the storage of the volume has failed"):
        folder.check(tmp_path, allow_pickle=False)


def test_pickled_weights_of_a_folder_that_tgi_cannot_write_to_are_refused(tmp_path: Path) -> None:
    for name in ("config.json", "pytorch_model.bin"):
        (tmp_path / name).write_text("{}")
    folder.check(tmp_path, allow_pickle=True)
    with pytest.raises(LastingError, match=r"pods cannot write to a pvc:// folder; convert them to safetensors"):
        folder.check(tmp_path, allow_pickle=True, convertible=False)
    (tmp_path / "model.safetensors").write_text("")
    folder.check(tmp_path, allow_pickle=False, convertible=False)
