"""Weights from S3: every object under a prefix, as a file."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from tgi_operator.weights import digests, failures, folder
from tgi_operator.weights.failures import FetchError, LastingError, PassingError
from tgi_operator.weights.progress import Progress, amount, say
from tgi_operator.weights.record import Record
from tgi_operator.weights.selection import SAFETENSORS
from tgi_operator.weights.source import Prefix

_CONFIG = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 6})
_TRANSFER = TransferConfig(multipart_chunksize=16 * 2**20, max_concurrency=8)

_BUSY = {408, 429}


@dataclass(frozen=True)
class S3Object:
    """An object, and the name of its file."""

    key: str
    name: str
    size: int
    etag: str


def fetch(source: Prefix, directory: Path, seconds: float) -> Path:
    """Make the files of the directory match the prefix, and return the directory. Raises FetchError."""
    try:
        with _alone(directory) as partial:
            _mirror(source, directory, partial, seconds)
    except (BotoCoreError, Boto3Error, ClientError) as error:
        raise failure(error, source) from error
    except OSError as error:
        raise failures.of_volume(error, directory) or failures.of_network(error) from error
    return directory


def _mirror(source: Prefix, directory: Path, partial: Path, seconds: float) -> None:
    client = boto3.client("s3", config=_CONFIG)
    objects = list(_objects(client, source))
    uri = f"s3://{source.bucket}/{source.prefix}"
    if not objects:
        raise LastingError(f"{uri}: there are no objects with this prefix; check spec.model.uri")
    paths = {found.name: folder.inside(directory, found.name) for found in objects}
    for path in paths.values():
        folder.require_contained(directory, path.parent)
    record = Record(directory, "s3")
    for name in record:
        # TGI would also load a shard that the model no longer has.
        if name not in paths:
            folder.inside(directory, name).unlink(missing_ok=True)
            record.drop(name)
    missing = [found for found in objects if not _is_verified(client, source.bucket, found, paths[found.name], record)]
    total, needed = (sum(found.size for found in some) for some in (objects, missing))
    say(f"{uri}: {amount(total, len(objects))}, {amount(needed, len(missing))} to fetch")
    folder.require_space(directory, needed)
    done = [total - needed]
    with Progress(total, lambda: done[0] + _size(partial), seconds):
        for found in missing:
            _download(client, source.bucket, found, partial / "object", paths[found.name])
            done[0] += found.size
            record.put(found.name, paths[found.name], found.etag)
    if any(name.endswith(SAFETENSORS) for name in paths):
        folder.require_only(directory, paths)


def _objects(client: Any, source: Prefix) -> Iterator[S3Object]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=source.bucket, Prefix=source.prefix)
    for page in pages:
        for entry in page.get("Contents", ()):
            # Consoles create empty objects with such names and show them as folders.
            if not entry["Key"].endswith("/"):
                name = entry["Key"].removeprefix(source.prefix)
                yield S3Object(entry["Key"], name, entry["Size"], entry["ETag"])


def _is_verified(client: Any, bucket: str, found: S3Object, path: Path, record: Record) -> bool:
    """Return whether a file matches the object: by the record, else by a checksum if S3 has one."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size != found.size:
        return False
    if record.verified(found.name, path) == found.etag:
        return True
    head = _head(client, bucket, found)
    check = digests.s3(head)
    if check is None or head["ETag"] != found.etag or not check(path):
        return False
    record.put(found.name, path, found.etag)
    return True


def _download(client: Any, bucket: str, found: S3Object, temporary: Path, path: Path) -> None:
    client.download_file(bucket, found.key, str(temporary), Config=_TRANSFER)
    where, head = f"s3://{bucket}/{found.key}", _head(client, bucket, found)
    if temporary.stat().st_size != found.size or head["ETag"] != found.etag:
        raise PassingError(f"{where}: the object was replaced during the download; the object will be fetched again")
    check = digests.s3(head)
    if check is not None and not check(temporary):
        raise PassingError(
            f"{where}: the download does not match the object's checksum; the object will be fetched again"
        )
    folder.flush(temporary)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.replace(path)


def _head(client: Any, bucket: str, found: S3Object) -> dict[str, Any]:
    head: dict[str, Any] = client.head_object(Bucket=bucket, Key=found.key, ChecksumMode="ENABLED")
    return head


def _size(partial: Path) -> int:
    """Return the downloaded bytes of an object in progress. The file is sparse, so its blocks count."""
    size = 0
    for entry in os.scandir(partial):
        try:
            size += entry.stat().st_blocks * 512
        except FileNotFoundError:
            continue
    return size


@contextmanager
def _alone(directory: Path) -> Iterator[Path]:
    """Lock the directory for one process, and yield an empty folder in it for incomplete files."""
    partial = directory / folder.STATE / "partial"
    partial.mkdir(parents=True, exist_ok=True)
    with (directory / folder.STATE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(partial)
        partial.mkdir()
        yield partial


def failure(error: Exception, source: Prefix) -> FetchError:
    """Return the meaning of an answer of S3, or of a missing answer, for the author of the resource."""
    uri = f"s3://{source.bucket}/{source.prefix}"
    if isinstance(error, NoCredentialsError):
        return LastingError(f"{uri}: there are no AWS credentials; give the pod's service account an IAM role")
    if not isinstance(error, ClientError):
        return PassingError(f"{uri}: {failures.line(error)}; {failures.CHECK_NETWORK}")
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    said = " ".join(str(error).split())
    if error.operation_name.startswith("AssumeRole"):
        return LastingError(f"{uri}: {said}; the role must trust the pod's service account")
    if status in (401, 403):
        arn = f"arn:aws:s3:::{source.bucket}"
        return LastingError(
            f"{uri}: {said}; the role of the pod's service account needs s3:ListBucket on {arn} "
            f"and s3:GetObject on {arn}/{source.prefix}*"
        )
    if status == 404:
        return LastingError(f"{uri}: {said}; check spec.model.uri")
    if status >= 500 or status in _BUSY:
        return PassingError(f"{uri}: {said}; if the problem persists, check the status of the storage service")
    return LastingError(f"{uri}: {said}; check spec.model.uri and the settings of the bucket")
