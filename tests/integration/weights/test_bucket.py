"""Weights from S3, and existing weights: the command, boto3 inside it, and the S3 of the AWS emulator."""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from integration.weights.conftest import MIB, Command, holds_more_than, make_command
from integration.weights.relay import Relay
from tgi_sandbox.aws.server import AwsDouble

URI = "s3://weights/llama/v1/"
FILES = {
    "config.json": b"{}",
    "model-00001-of-00002.safetensors": b"1" * 1000,
    "model-00002-of-00002.safetensors": b"2" * 1000,
    "extra/notes.txt": b"notes",
}
SHARD = "model-00001-of-00002.safetensors"


@pytest.fixture
def fetch(aws: AwsDouble, tmp_path: Path) -> Command:
    return make_command(tmp_path, aws.environment)


@pytest.fixture
def claim(tmp_path: Path) -> Path:
    return tmp_path / "claim" / "model"


def put(s3: Any, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        s3.put_object(Bucket="weights", Key=f"llama/v1/{name}", Body=content)


def fetched(claim: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(claim)): path for path in claim.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".fetch/")}


def downloads(aws: AwsDouble) -> set[str]:
    """Return the names of the objects that were read."""
    prefix = "GET /weights/llama/v1/"
    operations = [request.operation for request in aws.control.requests() if request.outcome == "OK"]
    return {operation.removeprefix(prefix) for operation in operations if operation.startswith(prefix)}


def test_every_object_under_the_prefix_becomes_a_file(fetch: Command, claim: Path, s3: Any) -> None:
    put(s3, FILES | {"": b"", "extra/": b""})
    s3.put_object(Bucket="weights", Key="llama/v10/config.json", Body=b"of another model")

    done = fetch(URI, claim)
    assert (done.returncode, done.stderr) == (0, "")
    assert fetched(claim) == FILES
    assert {stat.S_IMODE(path.stat().st_mode) for path in claim.rglob("*") if path.is_file()} == {0o644}
    assert done.stdout.splitlines() == [
        f"{URI}: 0.0 GiB in 4 files, 0.0 GiB in 4 files to fetch",
        f"{claim} contains a model",
    ]


@pytest.mark.parametrize("name", ["config.json", SHARD])
def test_a_file_that_others_planted_on_the_claim_is_found_and_replaced(
    fetch: Command, claim: Path, s3: Any, name: str
) -> None:
    put(s3, FILES)
    claim.mkdir(parents=True)
    (claim / name).write_bytes(b"x" * len(FILES[name]))

    assert fetch(URI, claim).returncode == 0
    assert fetched(claim) == FILES


def test_a_file_that_was_exchanged_after_it_was_fetched_is_found_and_replaced(
    fetch: Command, claim: Path, s3: Any
) -> None:
    put(s3, FILES)
    fetch(URI, claim)
    (claim / SHARD).write_bytes(b"x" * len(FILES[SHARD]))

    assert fetch(URI, claim).returncode == 0
    assert fetched(claim) == FILES


def test_a_file_that_is_there_and_has_the_checksum_is_not_read_again(
    fetch: Command, claim: Path, s3: Any, aws: AwsDouble
) -> None:
    put(s3, FILES)
    fetch(URI, claim)
    (claim / ".fetch" / "s3.json").unlink()
    aws.control.clear_requests()

    assert fetch(URI, claim).returncode == 0
    assert downloads(aws) == set()


def test_weights_that_are_not_of_the_prefix_are_named(fetch: Command, claim: Path, s3: Any) -> None:
    put(s3, FILES)
    claim.mkdir(parents=True)
    (claim / "planted.safetensors").write_bytes(b"x")

    done = fetch(URI, claim)
    assert done.returncode == 3
    assert ": planted.safetensors; remove it" in done.stderr


def test_pickled_weights_are_taken_only_where_they_are_allowed(fetch: Command, claim: Path, s3: Any) -> None:
    put(s3, {"config.json": b"{}", "pytorch_model.bin": b"1"})

    done = fetch(URI, claim)
    assert (done.returncode, "set spec.model.allowPickle to true" in done.stderr) == (3, True)
    assert fetch(URI, claim, "--allow-pickle").returncode == 0


def test_a_second_run_reads_no_object(fetch: Command, claim: Path, s3: Any, aws: AwsDouble) -> None:
    put(s3, FILES)
    fetch(URI, claim)
    assert downloads(aws) == set(FILES)
    aws.control.clear_requests()

    assert fetch(URI, claim).returncode == 0
    assert downloads(aws) == set()


def test_an_object_overwritten_by_one_of_the_same_size_is_fetched(
    fetch: Command, claim: Path, s3: Any, aws: AwsDouble
) -> None:
    put(s3, FILES)
    fetch(URI, claim)
    changed = {SHARD: b"3" * len(FILES[SHARD])}
    put(s3, changed)
    aws.control.clear_requests()

    assert fetch(URI, claim).returncode == 0
    assert fetched(claim) == FILES | changed
    assert downloads(aws) == {SHARD}


def test_a_shard_that_the_model_has_no_longer_goes_and_what_somebody_put_there_stays(
    fetch: Command, claim: Path, s3: Any
) -> None:
    put(s3, FILES | {"model-00003-of-00003.safetensors": b"3"})
    fetch(URI, claim)
    s3.delete_object(Bucket="weights", Key="llama/v1/model-00003-of-00003.safetensors")
    (claim / "mine.txt").write_text("mine")

    assert fetch(URI, claim).returncode == 0
    assert fetched(claim) == FILES | {"mine.txt": b"mine"}


def test_a_file_cut_short_on_the_volume_is_fetched_again(fetch: Command, claim: Path, s3: Any) -> None:
    put(s3, FILES)
    fetch(URI, claim)
    os.truncate(claim / SHARD, 10)

    assert fetch(URI, claim).returncode == 0
    assert fetched(claim) == FILES


def test_a_killed_download_leaves_whole_files_only_and_the_next_goes_on(
    fetch: Command, claim: Path, s3: Any, aws: AwsDouble
) -> None:
    large = {"model-00002-of-00002.safetensors": os.urandom(24 * MIB)}
    put(s3, FILES | large)

    with Relay(aws.address, limit=4 * MIB) as relay:
        fetch.killed(
            lambda: holds_more_than(MIB, claim / ".fetch" / "partial", "*"), URI, claim, AWS_ENDPOINT_URL=relay.address
        )
    whole = {name: content for name, content in FILES.items() if name not in large}
    assert fetched(claim) == whole
    aws.control.clear_requests()

    assert fetch(URI, claim).returncode == 0
    assert fetched(claim) == FILES | large
    assert downloads(aws) == set(large)
    assert list((claim / ".fetch" / "partial").iterdir()) == []


def test_two_at_once_read_every_object_once(fetch: Command, claim: Path, s3: Any, aws: AwsDouble) -> None:
    put(s3, FILES)

    both = [fetch.start(URI, claim) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    assert fetched(claim) == FILES
    assert len([one for one in aws.control.requests() if one.operation == f"GET /weights/llama/v1/{SHARD}"]) == 1


@pytest.mark.parametrize("name", ["../secret", "a/../../secret", "/etc/secret", ".fetch/lock", "a//b"])
def test_a_key_that_leads_elsewhere_is_refused_before_anything_is_read(
    fetch: Command, claim: Path, s3: Any, aws: AwsDouble, name: str
) -> None:
    put(s3, FILES)
    s3.put_object(Bucket="weights", Key=f"llama/v1/{name}", Body=b"evil")

    done = fetch(URI, claim)
    assert done.returncode == 3
    assert f"the file name {name!r} is not allowed in {claim}" in done.stderr
    assert (fetched(claim), downloads(aws)) == ({}, set())


def test_a_bucket_that_is_not_there_is_named(fetch: Command, claim: Path, s3: Any) -> None:
    done = fetch("s3://nowhere/llama/", claim)

    assert done.returncode == 3
    assert "s3://nowhere/llama/: " in done.stderr
    assert "NoSuchBucket" in done.stderr


def test_a_prefix_with_nothing_under_it_is_named(fetch: Command, claim: Path, s3: Any) -> None:
    done = fetch(URI, claim)

    assert (done.returncode, done.stderr) == (
        3,
        f"tgi-operator: {URI}: there are no objects with this prefix; check spec.model.uri\n",
    )


def test_a_denial_names_the_permissions(fetch: Command, claim: Path, s3: Any) -> None:
    put(s3, FILES)
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::weights/*"}
    s3.put_bucket_policy(Bucket="weights", Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))

    done = fetch(URI, claim)
    assert done.returncode == 3
    assert "(403) when calling the HeadObject operation" in done.stderr
    assert "s3:ListBucket on arn:aws:s3:::weights and s3:GetObject on arn:aws:s3:::weights/llama/v1/*" in done.stderr


def test_without_credentials_a_role_is_asked_for(fetch: Command, claim: Path, s3: Any) -> None:
    keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "")

    done = fetch(URI, claim, **keys)
    assert done.returncode == 3
    assert "give the pod's service account an IAM role" in done.stderr


def test_objects_that_are_no_model_are_no_success(fetch: Command, claim: Path, s3: Any) -> None:
    put(s3, {"config.json": b"{}"})

    done = fetch(URI, claim)
    assert done.returncode == 3
    assert f"{claim} has no weights" in done.stderr


def test_a_volume_that_holds_a_model_is_seen_to_do_so(fetch: Command, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    uri = f"file://{folder}"
    assert fetch(uri).returncode == 3

    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"1")
    done = fetch(uri)
    assert (done.returncode, done.stdout) == (0, f"{folder} contains a model\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("gs://bucket/model",), "use hf://OWNER/NAME, s3://BUCKET/PREFIX/ or file:///PATH"),
        (("hf://acme/tiny",), "needs a directory"),
        (("file:///models", "--revision", "main"), "has no revisions"),
        (("hf://acme/tiny", "/dev/null/hub"), "Not a directory"),
    ],
)
def test_a_command_that_cannot_work_says_why(fetch: Command, arguments: tuple[str, ...], words: str) -> None:
    done = fetch(*arguments)

    assert done.returncode == 3
    assert words in done.stderr
