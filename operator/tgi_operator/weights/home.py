"""The homes in a cache of the Hub: for each revision of a resource, the commits that its pods load.

A home is the HF_HOME of the pods. Its `hub` folder has the layout of the cache, but only with the repositories of the
model, and `snapshots/COMMIT` are links to the cache. Branches that TGI loads by name, such as `main`, are therefore
fixed for each revision of a resource, whatever another resource fetches into the same cache later.

`fetched.json` lists the repositories and their files. It is written before the download, so that no other Job removes
these files. Once the download is complete, the commits no longer change.
"""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tgi_operator.weights import digests, failures, folder
from tgi_operator.weights.failures import LastingError
from tgi_operator.weights.hub_cache import HubCache, write_reference
from tgi_operator.weights.parts import Part, Purpose
from tgi_operator.weights.progress import say

HOMES = "tgi"
"""The folder of all homes in the cache, with a folder for each resource."""

_NAME = re.compile(r"([a-z0-9]{1,32})/([a-z0-9]{1,32})")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_MANIFEST = "fetched.json"
_LOCK = "homes.lock"


@dataclass(frozen=True)
class Content:
    """The part of one repository in a home: the commit, and the digests of its files, which are the names of blobs."""

    repository: str
    revision: str
    purpose: str
    commit: str
    digests: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """The contents of a home, and whether they were complete. A `damaged` manifest may have had more contents."""

    complete: bool = False
    contents: tuple[Content, ...] = ()
    damaged: bool = False


class _DamagedError(Exception):
    """The contents of a home are not known."""


class Home:
    """The home of one revision of one resource, `RESOURCE/REVISION`. Raises LastingError for any other name."""

    def __init__(self, cache: Path, name: str) -> None:
        match = _NAME.fullmatch(name)
        if match is None:
            raise LastingError(f"{name!r} is not the name of a home; use RESOURCE/REVISION")
        self._cache = cache
        self._others = cache / HOMES / match[1]
        self._path = self._others / match[2]
        self._registered: tuple[Content, ...] = ()
        folder.require_contained(cache, self._path)

    def commit(self, part: Part) -> str | None:
        """Return the commit that the pods of this revision load, or None if it has never been complete."""
        manifest = _read(self._path)
        key = (part.repository, part.revision, part.purpose)
        if not manifest.complete:
            return None
        return next((each.commit for each in manifest.contents if _key(each) == key), None)

    def register(self, contents: Iterable[Content], keep: Collection[str]) -> None:
        """Announce what is fetched next, and remove what only earlier revisions of this resource needed.

        The homes in `keep` stay, because pods use them or a rollback would. Nothing is removed while the contents of
        another home are not known.
        """
        wanted = self._registered = tuple(contents)
        with _locked(self._cache):
            before = _read(self._path)
            living = {self._path.name, *keep}
            former = [path for path in _folders(self._others) if path.name not in living]
            try:
                used = [*wanted, *self._used_by_others(former)]
            except (OSError, _DamagedError) as error:
                say(f"the weights of earlier revisions stay: {error}")
            else:
                for path in former:
                    self._remove(path, used)
                self._remove_files(before.contents, used)
            complete = before.complete and set(map(_identity, before.contents)) == set(map(_identity, wanted))
            _write(self._path, Manifest(complete, wanted))

    def publish(self, parts: Iterable[tuple[Part, str]]) -> None:
        """Let the pods find the parts, each with its commit."""
        hub = self._path / "hub"
        with _locked(self._cache):
            for part, commit in parts:
                cache = HubCache(self._cache, part.repository, part.purpose)
                storage = folder.inside(hub, cache.folder)
                snapshot = folder.inside(storage / "snapshots", commit)
                folder.require_contained(self._path, snapshot.parent)
                _link(snapshot, cache.snapshot(commit))
                # TGI's launcher and router (hf-hub, in Rust) read refs/REVISION also for a commit.
                for name in part.references:
                    write_reference(storage, name, commit)
            _write(self._path, Manifest(complete=True, contents=self._registered))

    def _used_by_others(self, former: Collection[Path]) -> Iterator[Content]:
        """Yield the contents of all other homes that stay. Raises OSError or _DamagedError if not all are known."""
        homes = (home for resource in _folders(self._cache / HOMES) for home in _folders(resource))
        for home in homes:
            if home == self._path or home in former:
                continue
            manifest = _read(home)
            if manifest.damaged:
                raise _DamagedError(
                    f"{home / _MANIFEST} is damaged or from a newer version, so the files that this home needs are "
                    f"unknown; if no pods have the label tgi-operator.dev/weights={home.name}, remove {home}"
                )
            yield from manifest.contents

    def _remove(self, home: Path, used: Collection[Content]) -> None:
        """Remove a home with the files that only it has. The manifest is last, so that a killed removal continues."""
        try:
            if (home / "hub").exists():
                shutil.rmtree(home / "hub")
            self._remove_files(_read(home).contents, used)
            shutil.rmtree(home)
            say(f"removed the weights of an earlier revision: {home}")
        except OSError as error:
            # More room is welcome, but the weights to fetch matter more.
            say(
                f"{home}: the weights of an earlier revision cannot be removed: {error.strerror}; the next Job "
                "will try again"
            )

    def _remove_files(self, contents: Iterable[Content], used: Collection[Content]) -> None:
        for each in contents:
            same = [other for other in used if other.repository == each.repository]
            commits = {other.commit for other in same}
            blobs = {digest for other in same for digest in other.digests}
            HubCache(self._cache, each.repository, each.purpose).remove(each.commit, each.digests, commits, blobs)


def _key(content: Content) -> tuple[str, str, str]:
    return content.repository, content.revision, content.purpose


def _identity(content: Content) -> tuple[str, ...]:
    return *_key(content), content.commit


def _folders(parent: Path) -> list[Path]:
    return [path for path in parent.iterdir() if path.is_dir() and not path.is_symlink()] if parent.is_dir() else []


def _write(home: Path, manifest: Manifest) -> None:
    written = {"complete": manifest.complete, "contents": [asdict(each) for each in manifest.contents]}
    folder.write_atomically(home / _MANIFEST, json.dumps(written, indent=1))


def _read(home: Path) -> Manifest:
    """Return the manifest of a home, empty if there is none, and without the entries that are damaged."""
    try:
        content = (home / _MANIFEST).read_bytes()
    except FileNotFoundError:
        return Manifest()
    try:
        found = json.loads(content)
        entries = [_content(each) for each in found["contents"]]
        contents = tuple(each for each in entries if each is not None)
        return Manifest(found["complete"] is True, contents, damaged=len(contents) < len(entries))
    except (ValueError, TypeError, KeyError, RecursionError):
        return Manifest(damaged=True)


def _content(entry: Any) -> Content | None:
    """Return an entry of a manifest, or None if its names could lead anywhere else than to parts of a cache.

    A newer version may have added fields, which do not matter.
    """
    try:
        given = {each.name: entry[each.name] for each in fields(Content)}
        found = Content(**(given | {"digests": tuple(map(str, given["digests"]))}))
        valid = (
            _REPOSITORY.fullmatch(found.repository)
            and _COMMIT.fullmatch(found.commit)
            and found.purpose in set(Purpose)
            and all(map(digests.is_digest, found.digests))
        )
    except (TypeError, KeyError):
        return None
    return found if valid else None


def _link(link: Path, target: Path) -> None:
    if link.exists():
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    # Relative, because the pods mount only a part of the volume.
    try:
        link.symlink_to(os.path.relpath(target, link.parent))
    except OSError as error:
        raise failures.of_volume(error, link) or LastingError(
            f"{link}: {error.strerror}; use a volume that supports symbolic links"
        ) from error


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """Let only one Job at a time announce what it fetches and remove what is no longer used."""
    path = cache / folder.STATE / _LOCK
    folder.require_contained(cache, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
