"""The homes of pods in a cache of the Hub that several resources share: fixed commits, and what is removed."""

import fcntl
import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import try_to_load_from_cache

from integration.weights.conftest import MIB, Command, holds_more_than, make_command
from tgi_operator.weights import home, parts
from tgi_operator.weights.hub_cache import HubCache
from tgi_sandbox.hub import Commit, Fault, HubDouble, Repository

MODEL = "acme/tiny-7b"
URI = f"hf://{MODEL}"
STORAGE = "models--acme--tiny-7b"
SHARD = "model.safetensors"
FILES = {"config.json": b'{"model_type": "llama"}', "tokenizer.json": b"{}"}


def files(shard: bytes, **config: object) -> dict[str, bytes]:
    return FILES | {"config.json": json.dumps({"model_type": "llama", **config}).encode(), SHARD: shard}


@pytest.fixture
def repository(hub: HubDouble) -> Repository:
    return hub.add(Repository(MODEL))


@pytest.fixture
def first(repository: Repository) -> Commit:
    return repository.commit(files(b"first"))


@pytest.fixture
def fetch(hub: HubDouble, tmp_path: Path) -> Command:
    return make_command(tmp_path, {"HF_ENDPOINT": hub.address})


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "claim" / "hub"


def run(fetch: Command, cache: Path, home: str, *arguments: str) -> str:
    done = fetch(URI, cache, "--home", home, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(fetch: Command, cache: Path, *arguments: str, code: int = 3) -> str:
    done = fetch(URI, cache, "--home", "a/1", *arguments)
    assert done.returncode == code, done
    return done.stderr


def loaded(cache: Path, home: str, name: str = SHARD, repository: str = MODEL, revision: str = "main") -> bytes | None:
    """Return a file as a pod with this home finds it: only the folder of the cache is mounted, anywhere."""
    moved = cache.rename(cache.with_name("mounted"))
    try:
        found = try_to_load_from_cache(repository, name, cache_dir=moved / "tgi" / home / "hub", revision=revision)
        return Path(found).read_bytes() if isinstance(found, str) else None
    finally:
        moved.rename(cache)


def snapshots(cache: Path, storage: str = STORAGE) -> set[str]:
    return {path.name for path in (cache / storage / "snapshots").iterdir()}


def blobs(cache: Path, storage: str = STORAGE) -> set[bytes]:
    return {path.read_bytes() for path in (cache / storage / "blobs").iterdir()}


def homes(cache: Path) -> set[str]:
    return {str(path.relative_to(cache / "tgi")) for path in (cache / "tgi").glob("*/*")}


def test_the_pods_find_the_commit_in_their_home_and_the_cache_itself_has_no_branch(
    fetch: Command, cache: Path, first: Commit
) -> None:
    run(fetch, cache, "a/1", "--revision", first.sha)
    run(fetch, cache, "b/1")

    assert loaded(cache, "a/1", revision=first.sha) == b"first"
    assert loaded(cache, "b/1") == b"first"
    assert (cache / "tgi" / "a" / "1" / "hub" / STORAGE / "refs" / first.sha).read_text() == first.sha
    assert (cache / "tgi" / "b" / "1" / "hub" / STORAGE / "refs" / "main").read_text() == first.sha
    assert not (cache / STORAGE / "refs").exists()


def test_a_branch_that_moves_reaches_only_new_homes(
    fetch: Command, cache: Path, first: Commit, repository: Repository, hub: HubDouble
) -> None:
    run(fetch, cache, "a/1")
    newer = repository.commit(files(b"second"))
    hub.requests.clear()

    assert f"all files of commit {first.sha} are already in" in run(fetch, cache, "a/1"), (
        "the Job was deleted, and is repeated"
    )
    assert hub.requests == []
    assert newer.sha in run(fetch, cache, "b/1")
    assert (loaded(cache, "a/1"), loaded(cache, "b/1")) == (b"first", b"second")

    os.truncate(cache / STORAGE / "snapshots" / first.sha / SHARD, 1)
    assert f"main stays at commit {first.sha}" in run(fetch, cache, "a/1")
    assert loaded(cache, "a/1") == b"first"


def test_a_home_that_was_never_complete_takes_the_newest_commit(
    fetch: Command, cache: Path, repository: Repository
) -> None:
    """Otherwise, a commit without usable weights could not be corrected. No pod has started yet."""
    repository.commit(FILES | {"pytorch_model.bin": b"1"})
    assert "pickle" in refused(fetch, cache)
    repository.commit(files(b"second"))
    run(fetch, cache, "a/1")
    assert loaded(cache, "a/1") == b"second"


def test_former_revisions_are_removed_and_what_is_still_needed_stays(
    fetch: Command, cache: Path, first: Commit, repository: Repository
) -> None:
    run(fetch, cache, "a/1")
    second = repository.commit(files(b"second"))
    run(fetch, cache, "a/2", "--keep", "1")
    assert snapshots(cache) == {first.sha, second.sha}
    third = repository.commit(files(b"third"))
    output = run(fetch, cache, "a/3", "--keep", "2")

    assert "removed the weights of an earlier revision" in output
    assert homes(cache) == {"a/2", "a/3"}
    assert snapshots(cache) == {second.sha, third.sha}
    assert {b"second", b"third"} <= blobs(cache)
    assert b"first" not in blobs(cache)
    assert (loaded(cache, "a/2"), loaded(cache, "a/3")) == (b"second", b"third")
    run(fetch, cache, "a/1", "--keep", "2", "--keep", "3", "--revision", first.sha)
    assert loaded(cache, "a/1", revision=first.sha) == b"first"


@pytest.mark.parametrize("owner", ["another resource", "a branch made by hand", "a snapshot made by hand"])
def test_what_others_use_stays(fetch: Command, cache: Path, first: Commit, repository: Repository, owner: str) -> None:
    run(fetch, cache, "a/1")
    if owner == "another resource":
        run(fetch, cache, "b/1")
    elif owner == "a branch made by hand":
        assert fetch(URI, cache).returncode == 0
    else:
        shutil.copytree(
            cache / STORAGE / "snapshots" / first.sha, cache / STORAGE / "snapshots" / "mine", symlinks=True
        )
    repository.commit(files(b"second"))
    run(fetch, cache, "a/2")

    assert b"first" in blobs(cache)
    kept = "mine" if owner == "a snapshot made by hand" else first.sha
    assert (cache / STORAGE / "snapshots" / kept / SHARD).read_bytes() == b"first"


def test_a_file_that_the_new_commit_shares_with_the_former_one_is_not_fetched_again(
    fetch: Command, cache: Path, first: Commit, repository: Repository, hub: HubDouble
) -> None:
    run(fetch, cache, "a/1")
    repository.commit(files(b"first", hidden_size=8))
    hub.requests.clear()
    run(fetch, cache, "a/2")
    assert {request.path.rpartition("/")[2] for request in hub.downloads()} == {"config.json"}
    assert snapshots(cache).isdisjoint({first.sha})


def test_a_download_in_progress_is_not_removed_by_another_job(
    fetch: Command, cache: Path, repository: Repository, hub: HubDouble
) -> None:
    """Nor is that of a Job that was killed: the next one continues."""
    large = os.urandom(24 * MIB)
    repository.commit(files(large))
    hub.faults.add(Fault(SHARD, after=12 * MIB, hold=True))
    fetch.killed(lambda: holds_more_than(0, cache / STORAGE / "blobs", "*.incomplete"), URI, cache, "--home", "a/1")
    begun = list((cache / STORAGE / "blobs").glob("*.incomplete"))
    repository.commit(files(b"second"))
    run(fetch, cache, "b/1")
    run(fetch, cache, "b/2")
    assert [path for path in begun if path.exists()] == begun

    run(fetch, cache, "a/2")
    assert not any(path.exists() for path in begun), "its own next revision removes it"


@pytest.mark.parametrize("left", ["hub", "blobs", "snapshot"])
def test_a_removal_that_was_killed_is_completed(
    fetch: Command, cache: Path, first: Commit, repository: Repository, left: str
) -> None:
    run(fetch, cache, "a/1")
    shutil.rmtree(cache / "tgi" / "a" / "1" / "hub")
    if left != "hub":
        (cache / STORAGE / "snapshots" / first.sha / SHARD).resolve().unlink()
    if left == "snapshot":
        shutil.rmtree(cache / STORAGE / "snapshots" / first.sha)
    second = repository.commit(files(b"second"))
    run(fetch, cache, "a/2")
    assert (homes(cache), snapshots(cache)) == ({"a/2"}, {second.sha})
    assert b"first" not in blobs(cache)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"complete": true}', '{"complete": true, "contents": [{}, 1]}'])
def test_a_damaged_manifest_counts_as_none(fetch: Command, cache: Path, first: Commit, content: str) -> None:
    run(fetch, cache, "a/1")
    (cache / "tgi" / "a" / "1" / "fetched.json").write_text(content)
    run(fetch, cache, "a/1")
    assert loaded(cache, "a/1") == b"first"


@pytest.mark.parametrize("damage", ["text", "entry", "purpose", "no file"])
def test_nothing_is_removed_while_the_files_of_another_home_are_unknown(
    fetch: Command, cache: Path, first: Commit, repository: Repository, damage: str
) -> None:
    run(fetch, cache, "a/1")
    run(fetch, cache, "b/1")
    manifest = cache / "tgi" / "b" / "1" / "fetched.json"
    content = manifest.read_text()
    if damage == "no file":
        manifest.unlink()
        manifest.mkdir()
    else:
        described = json.loads(content)
        entry = described["contents"][0]
        described["contents"] = [{"entry": 1, "purpose": entry | {"purpose": "draft"}}.get(damage)]
        manifest.write_text("{" if damage == "text" else json.dumps(described))
    repository.commit(files(b"second"))
    output = run(fetch, cache, "a/2")
    assert "the weights of earlier revisions stay: " in output
    assert str(manifest) in output
    assert (loaded(cache, "a/1"), loaded(cache, "b/1"), loaded(cache, "a/2")) == (b"first", b"first", b"second")

    if damage == "no file":
        manifest.rmdir()
    manifest.write_text(content)
    assert "removed the weights of an earlier revision" in run(fetch, cache, "a/2")
    assert (homes(cache), loaded(cache, "b/1")) == ({"a/2", "b/1"}, b"first")


def test_a_manifest_that_a_newer_version_has_extended_is_read(
    fetch: Command, cache: Path, first: Commit, repository: Repository
) -> None:
    run(fetch, cache, "a/1")
    run(fetch, cache, "b/1")
    manifest = cache / "tgi" / "b" / "1" / "fetched.json"
    described = json.loads(manifest.read_text())
    described["contents"] = [each | {"added": 1} for each in described["contents"]]
    manifest.write_text(json.dumps(described | {"added": 1}))
    repository.commit(files(b"second"))
    assert "removed the weights of an earlier revision" in run(fetch, cache, "a/2")
    assert (loaded(cache, "b/1"), snapshots(cache) >= {first.sha}) == (b"first", True)
    assert f"all files of commit {first.sha} are already in" in run(fetch, cache, "b/1")


def test_a_commit_that_another_job_removes_before_it_is_registered_is_fetched_again(
    fetch: Command, cache: Path, repository: Repository, hub: HubDouble
) -> None:
    """The commit is complete when the Job begins, and the other Job has the lock."""
    medusa = {"medusa_num_heads": 3, "base_model_name_or_path": "acme/base"}
    commit = repository.commit(files(b"first", **medusa) | {"medusa_lm_head.safetensors": b"heads"})
    base = hub.add(Repository("acme/base")).commit(files(b"base"))
    run(fetch, cache, "a/1", "--revision", commit.sha)
    with (cache / ".fetch" / "homes.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = fetch.start(URI, cache, "--home", "b/1", "--revision", commit.sha)
        assert process.stdout is not None
        assert f"all files of commit {commit.sha} are already in" in process.stdout.readline()
        assert base.sha in process.stdout.readline()
        record = json.loads((cache / "tgi" / "a" / "1" / "fetched.json").read_text())
        for content in record["contents"]:
            storage = HubCache(cache, content["repository"], content["purpose"])
            storage.remove(content["commit"], content["digests"], [], [])
        shutil.rmtree(cache / "tgi" / "a" / "1")
        assert snapshots(cache) == set()
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert loaded(cache, "b/1", revision=commit.sha) == b"first"
    assert loaded(cache, "b/1", SHARD, "acme/base") == b"base"


def test_manifests_are_written_only_under_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another Job could otherwise miss the files of a home, and remove them."""
    _, wanted = planted(tmp_path)
    write, written = home._write, []

    def checked(path: Path, manifest: home.Manifest) -> None:
        with (tmp_path / ".fetch" / "homes.lock").open("w") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        written.append(manifest.complete)
        write(path, manifest)

    monkeypatch.setattr(home, "_write", checked)
    replace_home(tmp_path, wanted)
    assert written == [False, True]


def test_a_home_lists_the_commit_that_it_publishes(tmp_path: Path) -> None:
    """The pod of a Job that was replaced can still be ending and have registered another commit."""
    _, (part, content) = planted(tmp_path)
    made, other = home.Home(tmp_path, "a/3"), home.Home(tmp_path, "a/3")
    made.register([content], ["1", "2"])
    other.register([replace(content, commit="f" * 40)], ["1", "2"])
    made.publish([(part, content.commit)])
    assert home.Home(tmp_path, "a/3").commit(part) == content.commit


def test_a_forged_manifest_removes_nothing_elsewhere(fetch: Command, cache: Path, first: Commit) -> None:
    run(fetch, cache, "a/1")
    forged = cache / "tgi" / "a" / "1" / "fetched.json"
    entry = json.loads(forged.read_text())["contents"][0]
    precious = cache.parent / "precious"
    precious.write_text("x")
    for change in (
        {"digests": ["../../../precious"]},
        {"repository": "../../x"},
        {"commit": "../../../.."},
        {"purpose": "../x"},
    ):
        forged.write_text(json.dumps({"complete": True, "contents": [entry | change]}))
        run(fetch, cache, "a/2")
        assert precious.exists()
        run(fetch, cache, "a/1")


def test_a_link_in_place_of_the_homes_is_not_followed(fetch: Command, cache: Path, first: Commit) -> None:
    elsewhere = cache.parent / "elsewhere"
    (elsewhere / "a" / "0").mkdir(parents=True)
    cache.mkdir(parents=True)
    (cache / "tgi").symlink_to(elsewhere)
    assert "is a link that points outside" in refused(fetch, cache)
    assert (elsewhere / "a" / "0").exists()


ADAPTER = {"adapter_config.json": b'{"r": 8}', "adapter_model.safetensors": b"lora", "optimizer.pt": b"1"}


def test_adapters_are_fetched_too_and_found_as_tgi_looks_for_them(
    fetch: Command, cache: Path, first: Commit, hub: HubDouble
) -> None:
    hub.add(Repository("acme/sql")).commit(ADAPTER)
    pinned = hub.add(Repository("acme/chat"))
    old = pinned.commit(ADAPTER, branch="v1")
    pinned.commit(ADAPTER | {"adapter_model.safetensors": b"newer"})
    run(fetch, cache, "a/1", "--adapter", "acme/sql", "--adapter", "acme/chat@v1")

    assert loaded(cache, "a/1", "adapter_model.safetensors", "acme/sql") == b"lora"
    # TGI reads the weights from the revision, but the configuration always from main.
    for revision in ("main", "v1"):
        assert loaded(cache, "a/1", "adapter_model.safetensors", "acme/chat", revision) == b"lora"
    assert snapshots(cache, "models--acme--chat") == {old.sha}
    assert not any(request.path.endswith("optimizer.pt") for request in hub.requests)


@pytest.mark.parametrize("text", [b"{", b"[" * 100_000], ids=["no JSON", "deeply nested"])
def test_configuration_that_cannot_be_parsed_is_left_to_tgi(
    fetch: Command, cache: Path, repository: Repository, text: bytes
) -> None:
    repository.commit(files(b"first") | {"tokenizer_config.json": text})
    run(fetch, cache, "a/1", "--trust-remote-code")
    assert loaded(cache, "a/1", "tokenizer_config.json") == text


def test_the_base_of_a_medusa_model_is_fetched_too(
    fetch: Command, cache: Path, repository: Repository, hub: HubDouble
) -> None:
    medusa = json.dumps({"medusa_num_heads": 3, "base_model_name_or_path": "acme/base"}).encode()
    repository.commit({"config.json": medusa, "medusa_lm_head.safetensors": b"heads"})
    hub.add(Repository("acme/base")).commit(files(b"base"))
    run(fetch, cache, "a/1")
    assert loaded(cache, "a/1", "medusa_lm_head.safetensors") == b"heads"
    assert loaded(cache, "a/1", SHARD, "acme/base") == b"base"


def test_code_of_another_repository_is_fetched_only_if_it_may_run(
    fetch: Command, cache: Path, repository: Repository, hub: HubDouble
) -> None:
    auto_map = {"AutoModelForCausalLM": "acme/code--modeling.Model", "AutoConfig": "configuration.Config"}
    tokenizer = {"auto_map": {"AutoTokenizer": ["acme/tok--tok.Tokenizer", None]}}
    repository.commit(files(b"first", auto_map=auto_map) | {"tokenizer_config.json": json.dumps(tokenizer).encode()})
    hub.add(Repository("acme/code")).commit({"modeling.py": b"import x", "model.safetensors": b"not needed"})
    hub.add(Repository("acme/tok")).commit({"tok.py": b""})

    run(fetch, cache, "a/1")
    assert loaded(cache, "a/1", "modeling.py", "acme/code") is None
    run(fetch, cache, "a/2", "--trust-remote-code")
    assert loaded(cache, "a/2", "modeling.py", "acme/code") == b"import x"
    assert loaded(cache, "a/2", "tok.py", "acme/tok") == b""
    assert not any("acme/code" in request.path and request.path.endswith(SHARD) for request in hub.requests)
    # The same commit is complete as code, but not as a model.
    done = fetch("hf://acme/code", cache, "--revision", hub.repositories["acme/code"].branches["main"])
    assert "has no config.json" in done.stderr


@pytest.mark.parametrize(
    ("config", "others", "arguments", "words"),
    [
        ({}, {}, ["--adapter", "acme/gone"], ["hf://acme/gone", "does not exist", "LORA_ADAPTERS in spec.runtime.env"]),
        ({}, {"acme/x": files(b"")}, ["--adapter", "acme/x"], ["no adapter_config.json", "correct LORA_ADAPTERS"]),
        (
            {},
            {"acme/x": {"adapter_config.json": b"{}", "adapter_model.bin": b"1"}},
            ["--adapter", "acme/x"],
            ["hf://acme/x: the only weights are pickle files", "spec.model.allowPickle"],
        ),
        ({}, {}, ["--adapter", "/local"], ["'/local' is not on the Hub"]),
        ({}, {MODEL: ADAPTER}, ["--adapter", f"{MODEL}@v1"], ["TGI would load commits", "as main; use one revision"]),
        ({"model_type": "mlp_speculator"}, {}, [], ["mlp_speculator", "remove spec.inCluster.cache"]),
        (
            {"medusa_num_heads": 3, "base_model_name_or_path": "acme/gone"},
            {},
            [],
            ["hf://acme/gone", f"check base_model_name_or_path in config.json of {URI}"],
        ),
        (
            {"medusa_num_heads": 3, "base_model_name_or_path": "../x"},
            {},
            [],
            ["'../x' is not a repository on the Hub"],
        ),
        (
            {"medusa_num_heads": 3, "base_model_name_or_path": "acme/base"},
            {"acme/base": {"config.json": b"{}", "pytorch_model.bin": b"1"}},
            ["--allow-pickle"],
            ["hf://acme/base", "which TGI does not convert"],
        ),
        (
            {"medusa_num_heads": 3, "base_model_name_or_path": "acme/base"},
            {"acme/base": files(b"")},
            [],
            ["has no medusa_lm_head.safetensors"],
        ),
        (
            {"auto_map": {"AutoConfig": "acme/gone--x.Y"}},
            {},
            ["--trust-remote-code"],
            ["hf://acme/gone", f"check auto_map in config.json of {URI}"],
        ),
    ],
)
def test_what_cannot_be_fetched_is_refused_with_the_reason(
    fetch: Command,
    cache: Path,
    repository: Repository,
    hub: HubDouble,
    config: dict[str, object],
    others: dict[str, dict[str, bytes]],
    arguments: list[str],
    words: list[str],
) -> None:
    repository.commit(files(b"first", **config))
    for name, content in others.items():
        if name == MODEL:
            repository.commit(content, branch="v1")
        else:
            hub.add(Repository(name)).commit(content)
    errors = refused(fetch, cache, *arguments)
    for word in words:
        assert word in errors
    assert loaded(cache, "a/1") is None


@pytest.mark.parametrize("home", ["x", "../x", "a/..", "a/b/c", "/a/b"])
def test_another_name_for_a_home_is_refused(fetch: Command, cache: Path, first: Commit, home: str) -> None:
    done = fetch(URI, cache, "--home", home)
    assert done.returncode == 3
    assert "is not the name of a home" in done.stderr


class Killed(BaseException):
    """The process ends here."""


def kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> list[str]:
    """End the process before a change of the volume, and return the changes so far."""
    steps: list[str] = []

    def counted(change: Any) -> Any:
        def called(*arguments: Any, **options: Any) -> Any:
            if len(steps) == step:
                raise Killed
            steps.append(change.__name__)
            return change(*arguments, **options)

        return called

    for name in ("unlink", "rmdir", "rename", "replace", "symlink", "mkdir"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    return steps


def test_job_that_is_killed_at_any_change_loses_nothing_that_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run removes what is left to remove, and publishes what is left to publish."""
    served, wanted = planted(tmp_path / "whole")
    steps = kill_at(monkeypatch, 10**6)
    replace_home(tmp_path / "whole", wanted)
    monkeypatch.undo()
    assert len(steps) > 20
    whole = tree(tmp_path / "whole")
    for step in range(len(steps)):
        cache = tmp_path / str(step)
        served, wanted = planted(cache)
        kill_at(monkeypatch, step)
        with pytest.raises(Killed):
            replace_home(cache, wanted)
        monkeypatch.undo()
        for name, content in served.items():
            assert found(cache, name) == content
        replace_home(cache, wanted)
        assert tree(cache) == whole, f"killed before change {step}"


def planted(cache: Path) -> tuple[dict[str, bytes], tuple[parts.Part, home.Content]]:
    """Fill a cache with a former home, the one that serves, and one of another resource, which share a blob."""
    part = parts.model(MODEL, "main")
    shared = hashlib.sha256(b"shared").hexdigest()
    contents = {}
    for name, data in (("a/1", b"former"), ("a/2", b"served"), ("b/1", b"other"), ("a/3", b"wanted")):
        commit, digest = hashlib.sha1(data, usedforsecurity=False).hexdigest(), hashlib.sha256(data).hexdigest()
        storage = cache / STORAGE
        (storage / "snapshots" / commit).mkdir(parents=True)
        (storage / "blobs").mkdir(exist_ok=True)
        for blob, text, each in ((shared, b"shared", "config.json"), (digest, data, SHARD)):
            (storage / "blobs" / blob).write_bytes(text)
            (storage / "snapshots" / commit / each).symlink_to(f"../../blobs/{blob}")
        contents[name] = home.Content(MODEL, "main", "model", commit, (digest, shared))
        if name != "a/3":
            made = home.Home(cache, name)
            made.register([contents[name]], ["1", "2"])
            made.publish([(part, commit)])
    return {"a/2": b"served", "b/1": b"other"}, (part, contents["a/3"])


def replace_home(cache: Path, wanted: tuple[parts.Part, home.Content]) -> None:
    part, content = wanted
    made = home.Home(cache, "a/3")
    made.register([content], ["2"])
    made.publish([(part, content.commit)])


def found(cache: Path, name: str) -> bytes:
    path = try_to_load_from_cache(MODEL, SHARD, cache_dir=cache / "tgi" / name / "hub")
    assert isinstance(path, str)
    return Path(path).read_bytes()


def tree(cache: Path) -> dict[str, object]:
    """Return all files, except temporary ones, which are those of a killed run."""
    paths = [path for path in cache.rglob("*") if not path.is_dir() and path.suffix in ("", ".json", ".safetensors")]
    return {str(path.relative_to(cache)): path.readlink() if path.is_symlink() else path.read_bytes() for path in paths}
