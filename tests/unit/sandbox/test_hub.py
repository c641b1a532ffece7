"""The emulator of the Hub, as its target library sees it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

from tgi_sandbox.hub import Fault, HubDouble, Repository

MODEL = "acme/tiny"
FILES = {
    "config.json": b"{}",
    "deep/er/vocab file.txt": b"words",
    "model.safetensors": os.urandom(1000),
    "empty.txt": b"",
}


def answered(error: HfHubHTTPError) -> Any:
    return error.response


@pytest.fixture
def hub() -> Iterator[HubDouble]:
    with HubDouble() as double:
        yield double


def test_the_library_makes_a_snapshot(hub: HubDouble, tmp_path: Path) -> None:
    commit = hub.add(Repository(MODEL)).commit(FILES)

    folder = Path(snapshot_download(MODEL, endpoint=hub.address, cache_dir=tmp_path, token=False))
    assert folder.name == commit.sha
    assert {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == FILES


def test_sizes_and_hashes_are_told_before_the_download(hub: HubDouble) -> None:
    commit = hub.add(Repository(MODEL)).commit(FILES)

    info = HfApi(hub.address, token=False).model_info(MODEL, files_metadata=True)
    assert info.sha == commit.sha
    assert {one.rfilename: one.size for one in info.siblings or ()} == {name: len(data) for name, data in FILES.items()}
    names = {one.rfilename: one.lfs.sha256 if one.lfs else one.blob_id for one in info.siblings or ()}
    assert names == {name: blob.etag for name, blob in commit.files.items()}


def test_a_branch_moves_and_its_commits_stay(hub: HubDouble) -> None:
    repository = hub.add(Repository(MODEL))
    first, second = repository.commit(FILES), repository.commit(FILES | {"config.json": b"{ }"})
    beside = repository.commit(FILES, branch="refs/pr/1")

    api = HfApi(hub.address, token=False)
    told = [api.model_info(MODEL, revision=name).sha for name in ("main", first.sha, "refs/pr/1")]
    assert told == [second.sha, first.sha, beside.sha]
    with pytest.raises(RevisionNotFoundError):
        api.model_info(MODEL, revision="v1")


@pytest.mark.parametrize(("token", "status"), [(False, 401), ("hf_other", 403)])
def test_a_gated_model_is_told_of_and_not_handed_out(
    hub: HubDouble, tmp_path: Path, token: str | bool, status: int
) -> None:
    hub.add(Repository(MODEL, readers=frozenset({"hf_reader"}))).commit(FILES)

    assert HfApi(hub.address, token=token).model_info(MODEL).gated == "manual"
    with pytest.raises(GatedRepoError) as caught:
        snapshot_download(MODEL, endpoint=hub.address, cache_dir=tmp_path, token=token)
    assert answered(caught.value).status_code == status


def test_a_reader_gets_it_and_the_other_host_never_sees_the_token(hub: HubDouble, tmp_path: Path) -> None:
    hub.add(Repository(MODEL, readers=frozenset({"hf_reader"}))).commit(FILES)

    snapshot_download(MODEL, endpoint=hub.address, cache_dir=tmp_path, token="hf_reader")
    assert {one.token for one in hub.requests if one.path.startswith("/large/")} == {None}


@pytest.mark.parametrize(("token", "status"), [(False, 401), ("hf_any", 404)])
def test_a_missing_model_is_hidden_from_strangers(hub: HubDouble, token: str | bool, status: int) -> None:
    with pytest.raises(RepositoryNotFoundError) as caught:
        HfApi(hub.address, token=token).model_info("acme/none")
    assert answered(caught.value).status_code == status


def test_a_fault_answers_as_often_as_it_is_told(hub: HubDouble) -> None:
    hub.add(Repository(MODEL)).commit(FILES)
    hub.faults.add(Fault(MODEL, status=429, retry_after=3, times=2))

    api = HfApi(hub.address, token=False)
    for _ in range(2):
        with pytest.raises(HfHubHTTPError) as caught:
            api.model_info(MODEL)
        answer = answered(caught.value)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
    assert api.model_info(MODEL).id == MODEL
