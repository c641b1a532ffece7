"""Weights from the Hub: the command, the unmodified huggingface_hub inside it, and the Hub emulator."""

import os
import re
import signal
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import try_to_load_from_cache

from integration.weights.conftest import MIB, Command, holds_more_than, make_command
from tgi_sandbox.hub import Commit, Fault, HubDouble, Repository

MODEL = "acme/tiny-7b"
URI = f"hf://{MODEL}"
TOKEN = "hf_abcdefghijklmnop"
SHARD = "model.safetensors"
LARGE = os.urandom(24 * MIB)
"""More than two of the chunks that the library reads and writes."""

FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}",
    "tokenizer.model": b"\0sentencepiece",
    SHARD: b"\0" * 1000,
    "pytorch_model.bin": b"\1" * 1000,
    "original/consolidated.safetensors": b"\2" * 1000,
    "README.md": b"# Tiny",
}
CHOSEN = {"config.json", "tokenizer.json", "tokenizer.model", SHARD}


@pytest.fixture
def repository(hub: HubDouble) -> Repository:
    return hub.add(Repository(MODEL))


@pytest.fixture
def commit(repository: Repository) -> Commit:
    return repository.commit(FILES)


@pytest.fixture
def fetch(hub: HubDouble, tmp_path: Path) -> Command:
    return make_command(tmp_path, {"HF_ENDPOINT": hub.address})


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "claim" / "hub"


def snapshot(cache: Path, commit: Commit) -> Path:
    return cache / "models--acme--tiny-7b" / "snapshots" / commit.sha


def test_an_empty_claim_is_filled_as_the_library_and_the_router_of_tgi_look_for_it(
    fetch: Command, cache: Path, commit: Commit
) -> None:
    done = fetch(URI, cache)

    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in snapshot(cache, commit).iterdir()} == CHOSEN
    for revision in ("main", commit.sha):
        for name in CHOSEN:
            found = try_to_load_from_cache(MODEL, name, cache_dir=cache, revision=revision)
            assert isinstance(found, str)
            assert Path(found).read_bytes() == FILES[name]
        # hf-hub, the Rust library in TGI's launcher and router, reads this also for a commit, and trims nothing.
        assert (cache / "models--acme--tiny-7b" / "refs" / revision).read_text() == commit.sha


def test_everybody_may_read_what_was_fetched(fetch: Command, cache: Path, commit: Commit) -> None:
    before = os.umask(0o077)
    try:
        fetch(URI, cache)
    finally:
        os.umask(before)

    modes = {
        (path.is_dir(), stat.S_IMODE(path.lstat().st_mode))
        for path in [cache, *cache.rglob("*")]
        if not path.is_symlink()
    }
    assert modes == {(True, 0o755), (False, 0o644)}


def test_nothing_is_written_elsewhere(fetch: Command, cache: Path, commit: Commit) -> None:
    fetch(URI, cache)

    assert list(fetch.home.iterdir()) == []
    assert {path.name for path in fetch.home.parent.iterdir()} == {"home", "tmp", "termination-log", "claim"}


def test_a_second_run_asks_for_the_commit_and_no_more(
    fetch: Command, cache: Path, commit: Commit, hub: HubDouble
) -> None:
    fetch(URI, cache)
    hub.requests.clear()

    assert fetch(URI, cache).returncode == 0
    assert [request.path for request in hub.requests] == [f"/api/models/{MODEL}/revision/main"]


def test_a_pinned_commit_that_is_complete_needs_no_hub(
    fetch: Command, cache: Path, commit: Commit, hub: HubDouble
) -> None:
    fetch(URI, cache, "--revision", commit.sha)
    hub.requests.clear()

    done = fetch(URI, cache, "--revision", commit.sha)
    assert (done.returncode, hub.requests) == (0, [])
    assert "are already in" in done.stdout


def test_a_branch_that_moved_costs_what_has_changed(
    fetch: Command, cache: Path, commit: Commit, repository: Repository, hub: HubDouble
) -> None:
    fetch(URI, cache)
    newer = repository.commit(FILES | {"config.json": b'{"model_type": "mistral"}'})
    hub.requests.clear()

    assert fetch(URI, cache).returncode == 0
    assert [request.path.rpartition("/")[2] for request in hub.downloads()] == ["config.json"]
    assert (snapshot(cache, newer) / "config.json").read_bytes() == b'{"model_type": "mistral"}'
    assert (cache / "models--acme--tiny-7b" / "refs" / "main").read_text() == newer.sha


def test_a_killed_download_goes_on_where_it_was(
    fetch: Command, cache: Path, repository: Repository, hub: HubDouble
) -> None:
    commit = repository.commit(FILES | {SHARD: LARGE})
    hub.faults.add(Fault(SHARD, after=12 * MIB, hold=True))
    blobs = cache / "models--acme--tiny-7b" / "blobs"

    fetch.killed(lambda: holds_more_than(0, blobs, "*.incomplete"), URI, cache)
    assert not (snapshot(cache, commit) / SHARD).exists()
    assert not (cache / "models--acme--tiny-7b" / "refs" / "main").exists()
    hub.requests.clear()

    assert fetch(URI, cache).returncode == 0
    assert (snapshot(cache, commit) / SHARD).read_bytes() == LARGE
    # The killed download may be recorded only now; it started at the first byte.
    (again,) = [request for request in hub.downloads() if request.path.endswith(SHARD) and request.status == 206]
    assert again.sent < len(LARGE)


def test_a_stop_is_obeyed_at_once(fetch: Command, cache: Path, repository: Repository, hub: HubDouble) -> None:
    repository.commit(FILES | {SHARD: LARGE})
    hub.faults.add(Fault(SHARD, after=12 * MIB, hold=True))

    process = fetch.start(URI, cache)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(URI)
    process.terminate()
    process.communicate(timeout=5)
    assert process.returncode == 128 + signal.SIGTERM


def test_a_connection_cut_in_a_file_is_taken_up_again(
    fetch: Command, cache: Path, repository: Repository, hub: HubDouble
) -> None:
    commit = repository.commit(FILES | {SHARD: LARGE})
    hub.faults.add(Fault(SHARD, after=12 * MIB))

    assert fetch(URI, cache).returncode == 0
    assert (snapshot(cache, commit) / SHARD).read_bytes() == LARGE
    assert [request.status for request in hub.downloads() if request.path.endswith(SHARD)] == [200, 206]


def test_two_at_once_fetch_every_file_once(fetch: Command, cache: Path, repository: Repository, hub: HubDouble) -> None:
    commit = repository.commit(FILES | {SHARD: LARGE})

    both = [fetch.start(URI, cache) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    assert (snapshot(cache, commit) / SHARD).read_bytes() == LARGE
    assert len([request for request in hub.downloads() if request.path.endswith(SHARD)]) == 1


def test_a_file_that_a_crash_of_the_node_cut_short_is_fetched_again(
    fetch: Command, cache: Path, commit: Commit
) -> None:
    fetch(URI, cache, "--revision", commit.sha)
    os.truncate(snapshot(cache, commit) / SHARD, 10)

    assert fetch(URI, cache, "--revision", commit.sha).returncode == 0
    assert (snapshot(cache, commit) / SHARD).read_bytes() == FILES[SHARD]


def test_pickled_weights_are_taken_only_where_they_are_allowed(
    fetch: Command, cache: Path, repository: Repository, hub: HubDouble
) -> None:
    commit = repository.commit({"config.json": b"{}", "pytorch_model.bin": b"1", "model.gguf": b"2"})

    done = fetch(URI, cache)
    assert done.returncode == 3
    assert_one_line(
        fetch, done.stderr, f"{URI}: the only weights are pickle files", "set spec.model.allowPickle to true"
    )
    assert hub.downloads() == []

    assert fetch(URI, cache, "--allow-pickle").returncode == 0
    assert {path.name for path in snapshot(cache, commit).iterdir()} == {"config.json", "pytorch_model.bin"}


def forge(commit: Commit, name: str, **forged: Any) -> None:
    files = dict(commit.files)
    files[name] = replace(files[name], **forged)
    object.__setattr__(commit, "files", files)


def contents(claim: Path) -> dict[str, bytes]:
    """Return everything except the library's locks and the record between runs."""
    found = {str(path.relative_to(claim)): path for path in claim.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if "/.locks/" not in name and ".fetch/" not in name}


@pytest.mark.parametrize("name", ["config.json", SHARD])
@pytest.mark.parametrize(
    "etag", ["../../../../planted", "../../models--acme--other/blobs/x", "/planted", "a" * 65, "a.incomplete"]
)
def test_an_etag_that_is_no_digest_is_refused_and_nothing_is_written(
    fetch: Command, cache: Path, commit: Commit, name: str, etag: str
) -> None:
    forge(commit, name, forged_etag=etag)
    before = {path.name for path in fetch.home.parent.iterdir()}

    done = fetch(URI, cache)
    assert done.returncode == 3
    assert_one_line(fetch, done.stderr, "the Hub sent the ETag", "which is not a digest")
    assert not any(FILES[name] == content for content in contents(cache).values())
    assert {path.name for path in fetch.home.parent.iterdir()} <= before | {"claim"}


@pytest.mark.parametrize("name", ["config.json", SHARD])
def test_a_file_that_is_not_what_the_hub_announces_is_removed(
    fetch: Command, cache: Path, commit: Commit, name: str
) -> None:
    forged = b"x" * len(FILES[name])
    forge(commit, name, forged=forged)

    done = fetch(URI, cache)
    assert done.returncode == 1
    assert_one_line(fetch, done.stderr, f"{name} does not match the size or digest")
    assert forged not in contents(cache).values()
    assert not (cache / "models--acme--tiny-7b" / "refs" / "main").exists()

    forge(commit, name, forged=None)
    assert fetch(URI, cache).returncode == 0
    assert (snapshot(cache, commit) / name).read_bytes() == FILES[name]


@pytest.mark.parametrize("name", ["config.json", SHARD])
@pytest.mark.parametrize("pinned", [True, False], ids=["a commit", "a branch"])
def test_a_file_that_others_planted_on_the_claim_is_found_and_replaced(
    fetch: Command, cache: Path, commit: Commit, name: str, pinned: bool
) -> None:
    folder = snapshot(cache, commit)
    folder.mkdir(parents=True)
    for each in CHOSEN:
        (folder / each).write_bytes(b"x" * len(FILES[each]) if each == name else FILES[each])

    revision = ("--revision", commit.sha) if pinned else ()
    assert fetch(URI, cache, *revision).returncode == 0
    assert {each: (folder / each).read_bytes() for each in CHOSEN} == {each: FILES[each] for each in CHOSEN}


def test_a_file_that_was_exchanged_after_it_was_verified_is_found_and_replaced(
    fetch: Command, cache: Path, commit: Commit
) -> None:
    fetch(URI, cache, "--revision", commit.sha)
    path = snapshot(cache, commit) / SHARD
    path.resolve().write_bytes(b"x" * len(FILES[SHARD]))

    assert fetch(URI, cache, "--revision", commit.sha).returncode == 0
    assert path.read_bytes() == FILES[SHARD]


def test_a_blob_that_others_planted_is_not_taken_for_the_file(fetch: Command, cache: Path, commit: Commit) -> None:
    blobs = cache / "models--acme--tiny-7b" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / commit.files[SHARD].etag).write_bytes(b"x" * len(FILES[SHARD]))

    assert fetch(URI, cache).returncode == 0
    assert (snapshot(cache, commit) / SHARD).read_bytes() == FILES[SHARD]


@pytest.mark.parametrize("complete", [False, True])
def test_weights_that_are_not_of_the_commit_are_named(
    fetch: Command, cache: Path, commit: Commit, complete: bool
) -> None:
    if complete:
        fetch(URI, cache, "--revision", commit.sha)
    snapshot(cache, commit).mkdir(parents=True, exist_ok=True)
    (snapshot(cache, commit) / "planted.safetensors").write_bytes(b"x")

    done = fetch(URI, cache, "--revision", commit.sha)
    assert done.returncode == 3
    assert_one_line(fetch, done.stderr, ": planted.safetensors; remove it")


@pytest.mark.parametrize("part", ["snapshots", "blobs", "refs"])
def test_a_link_that_leads_out_of_the_cache_is_not_followed(
    fetch: Command, cache: Path, commit: Commit, part: str
) -> None:
    elsewhere = cache.parent / "elsewhere"
    elsewhere.mkdir(parents=True)
    storage = cache / "models--acme--tiny-7b"
    storage.mkdir(parents=True)
    (storage / part).symlink_to(elsewhere)

    done = fetch(URI, cache)
    assert done.returncode == 3
    assert_one_line(fetch, done.stderr, "is a link that points outside")
    assert list(elsewhere.iterdir()) == []


def test_a_file_without_an_announced_digest_is_refused(fetch: Command, cache: Path, hub: HubDouble) -> None:
    @dataclass(frozen=True)
    class Silent(Commit):
        def siblings(self) -> list[dict[str, Any]]:
            return [{"rfilename": each["rfilename"], "size": each["size"]} for each in super().siblings()]

    made = hub.add(Repository(MODEL))
    commit = made.commit(FILES)
    made.commits[commit.sha] = Silent(commit.sha, commit.files)

    done = fetch(URI, cache)
    assert done.returncode == 3
    assert_one_line(fetch, done.stderr, "so the file cannot be verified")
    assert hub.downloads() == []


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, ["is gated (401)", "set spec.model.tokenSecretRef"]),
        ({"HF_TOKEN": f"{TOKEN}-other"}, ["is gated", "has no access (403)", "request access at"]),
    ],
)
def test_a_gated_model_names_the_way_to_access(
    fetch: Command, cache: Path, hub: HubDouble, environment: dict[str, str], words: list[str]
) -> None:
    hub.add(Repository(MODEL, readers=frozenset({TOKEN}))).commit(FILES)

    done = fetch(URI, cache, **environment)
    assert done.returncode == 3
    assert_one_line(fetch, done.stderr, *words)
    assert TOKEN not in done.stdout + done.stderr


def test_a_token_opens_a_gated_model_and_is_shown_to_nobody_else(fetch: Command, cache: Path, hub: HubDouble) -> None:
    hub.add(Repository(MODEL, readers=frozenset({TOKEN}))).commit(FILES)

    # Secrets often end in a line break, which no header can contain.
    done = fetch(URI, cache, HF_TOKEN=f"{TOKEN}\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert TOKEN not in done.stdout
    tokens = {(request.path.startswith("/large/"), request.token) for request in hub.requests}
    assert tokens == {(True, None), (False, TOKEN)}


def test_a_token_that_no_header_can_hold_is_not_printed(fetch: Command, cache: Path, commit: Commit) -> None:
    token = f"{TOKEN}\nqrstuvwxyz"
    done = fetch(URI, cache, HF_TOKEN=token)

    assert done.returncode == 3
    assert_one_line(fetch, done.stderr, "The value of HF_TOKEN is not a valid token")
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("uri", "revision", "words"),
    [
        ("hf://acme/nothing", "main", ["the model does not exist or is private (401)", "check spec.model.uri"]),
        (URI, "v9", ["the revision 'v9' does not exist (404)", "check spec.model.revision"]),
        (URI, "../../x", ["spec.model.revision: must be a commit, a branch or a tag, not '../../x'"]),
    ],
)
def test_what_the_hub_does_not_have_is_named(
    fetch: Command, cache: Path, commit: Commit, uri: str, revision: str, words: list[str]
) -> None:
    done = fetch(uri, cache, "--revision", revision)

    assert done.returncode == 3
    assert_one_line(fetch, done.stderr, *words)


def test_a_limit_and_a_hub_in_trouble_are_waited_for(
    fetch: Command, cache: Path, commit: Commit, hub: HubDouble
) -> None:
    hub.faults.add(Fault("/revision/main", status=429, retry_after=0.1))
    hub.faults.add(Fault("config.json", method="HEAD", status=429, retry_after=0.1))
    hub.faults.add(Fault(SHARD, status=503))

    done = fetch(URI, cache)
    assert (done.returncode, done.stderr) == (0, "")
    assert "the Hub responded with 429; if the problem persists" in done.stdout
    assert "; retrying in 0.1 s" in done.stdout


def test_a_hub_that_stays_in_trouble_may_be_tried_later(
    fetch: Command, cache: Path, commit: Commit, hub: HubDouble
) -> None:
    hub.faults.add(Fault("/revision/main", status=503, retry_after=0.01, times=100))

    done = fetch(URI, cache)
    assert done.returncode == 1
    assert_one_line(fetch, done.stderr, "the Hub responded with 503")


def test_what_does_not_fit_is_not_begun(fetch: Command, cache: Path, repository: Repository, hub: HubDouble) -> None:
    repository.commit(FILES, announced={SHARD: 2**60})

    done = fetch(URI, cache)
    assert done.returncode == 3
    assert_one_line(fetch, done.stderr, "1073741824.0 GiB must be fetched", "GiB free", "use a larger PVC")
    assert [request.path.rpartition("/")[2] for request in hub.downloads()] == ["config.json"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"config.json": b"{}", "model.gguf": b"1"}, "has no weights"),
        ({SHARD: b"1"}, "has no config.json"),
        (
            {"config.json": b"{}", SHARD: b"1", f"{SHARD}.index.json": b'{"weight_map": {"a": "gone.safetensors"}}'},
            "index.json: gone.safetensors; copy it to the folder",
        ),
    ],
)
def test_a_repository_without_a_model_is_no_success(
    fetch: Command, cache: Path, repository: Repository, files: dict[str, bytes], words: str
) -> None:
    repository.commit(files)

    done = fetch(URI, cache)
    assert done.returncode == 3
    assert_one_line(fetch, done.stderr, words)


def test_a_name_that_leads_elsewhere_is_refused_before_anything_is_read(
    fetch: Command, cache: Path, repository: Repository, hub: HubDouble
) -> None:
    repository.commit(FILES | {"../../../evil.json": b"{}"})

    done = fetch(URI, cache)
    assert done.returncode == 3
    assert_one_line(fetch, done.stderr, "the file name '../../../evil.json' is not allowed in")
    assert hub.downloads() == []


def test_progress_is_told_in_plain_lines(fetch: Command, cache: Path, repository: Repository, hub: HubDouble) -> None:
    commit = repository.commit(FILES | {SHARD: LARGE})
    hub.faults.add(Fault(SHARD, after=12 * MIB))

    lines = fetch(URI, cache, "--progress-seconds", "0.2").stdout.splitlines()
    assert lines[0] == f"{URI}: main is commit {commit.sha}; 0.0 GiB in 4 files, 0.0 GiB to fetch"
    assert any(re.fullmatch(r"0\.0 of 0\.0 GiB", line) for line in lines[1:-1])
    assert lines[-1] == f"{snapshot(cache, commit)} contains a model"


def assert_one_line(fetch: Command, errors: str, *words: str) -> None:
    """Check the visible texts: on standard error, and in the pod's status."""
    assert errors.startswith("tgi-operator: ")
    assert errors.count("\n") == 1
    for word in words:
        assert word in errors
    assert fetch.home.with_name("termination-log").read_text() == errors.removeprefix("tgi-operator: ").rstrip("\n")
