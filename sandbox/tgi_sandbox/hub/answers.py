"""The answers of the Hub, from its repositories alone."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from tgi_sandbox.hub.repository import Blob, Commit, Repository

_INFO = re.compile(r"/api/models/(?P<id>[^/]+/[^/]+)(?:/revision/(?P<revision>[^/]+))?")
_FILE = re.compile(r"/(?P<id>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)")
_LARGE = re.compile(r"/large/(?P<etag>[0-9a-f]{64})/(?P<name>.+)")


@dataclass(frozen=True)
class Answer:
    """A response before it is cut to the requested range."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(repositories: Mapping[str, Repository], elsewhere: str, path: str, token: str | None) -> Answer:
    """Answer a GET or HEAD; `elsewhere` is the address of the host for large files."""
    if match := _LARGE.fullmatch(path):
        return _large(repositories, match["etag"], token)
    match = _INFO.fullmatch(path) or _FILE.fullmatch(path)
    if match is None:
        return _refused(404, "NotFound", "Sorry, we can't find the page you are looking for.")
    repository = repositories.get(match["id"])
    if repository is None:
        # A caller without a token does not learn whether such a model exists.
        return _refused(401 if token is None else 404, "RepoNotFound", "Repository not found")
    revision = unquote(match["revision"] or "main")
    commit = repository.at(revision)
    if commit is None:
        return _refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
    if "name" not in match.groupdict():
        return _info(repository, commit)
    if repository.readers is not None and token not in repository.readers:
        text = f"Access to model {repository.id} is restricted. You must have access to it and be authenticated."
        return _refused(401 if token is None else 403, "GatedRepo", text)
    name = unquote(match["name"])
    blob = commit.files.get(name)
    if blob is None:
        return _refused(404, "EntryNotFound", "Entry not found")
    return _file(commit, blob, f"{elsewhere}/large/{blob.etag}/{name}")


def _info(repository: Repository, commit: Commit) -> Answer:
    # Everyone can read the metadata of a gated model; only its files are protected.
    about = {
        "_id": commit.sha[:24],
        "id": repository.id,
        "modelId": repository.id,
        "sha": commit.sha,
        "private": False,
        "gated": "manual" if repository.readers is not None else False,
        "tags": [],
        "siblings": commit.siblings(),
    }
    return Answer(200, json.dumps(about).encode(), {"Content-Type": "application/json"})


def _file(commit: Commit, blob: Blob, location: str) -> Answer:
    headers, etag = {"X-Repo-Commit": commit.sha, "Accept-Ranges": "bytes"}, blob.forged_etag or blob.etag
    if not blob.large:
        return Answer(200, blob.sent, headers | {"ETag": f'"{etag}"'})
    linked = {"X-Linked-Size": str(blob.size), "X-Linked-ETag": f'"{etag}"', "Location": f"{location}?Signature=x"}
    return Answer(302, b"", headers | linked)


def _large(repositories: Mapping[str, Repository], etag: str, token: str | None) -> Answer:
    if token is not None:
        # S3 refuses a request with two kinds of authorization, and no other host is to see the token.
        return Answer(400, b"Only one auth mechanism allowed")
    for repository in repositories.values():
        for commit in repository.commits.values():
            for blob in commit.files.values():
                if blob.large and blob.etag == etag:
                    return Answer(200, blob.sent, {"ETag": f'"{etag}"', "Accept-Ranges": "bytes"})
    return Answer(404)


def _refused(status: int, code: str, text: str) -> Answer:
    headers = {"X-Error-Code": code, "X-Error-Message": text, "Content-Type": "application/json"}
    return Answer(status, json.dumps({"error": text}).encode(), headers)
