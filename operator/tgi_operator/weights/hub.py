"""Weights from the Hugging Face Hub, with its own library."""

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import requests
from huggingface_hub import HfApi, configure_http_backend, hf_hub_download
from huggingface_hub.constants import MAX_HTTP_DOWNLOAD_SIZE
from huggingface_hub.hf_api import ModelInfo

from tgi_operator.redaction import redacted
from tgi_operator.weights import digests, failures, folder, hub_failures, parts, sharing
from tgi_operator.weights.failures import LastingError, PassingError
from tgi_operator.weights.home import Content, Home
from tgi_operator.weights.hub_cache import HubCache, HubFile
from tgi_operator.weights.parts import CONFIGS, Part, Purpose
from tgi_operator.weights.progress import Progress, amount, gib, say
from tgi_operator.weights.selection import PICKLED, SAFETENSORS, choose, companions, weights

Result = TypeVar("Result")

_COMMIT = re.compile(r"[0-9a-f]{40}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_TOKEN = re.compile(r"[!-~]+")
_ETAG = re.compile(r'(W/)?"?[0-9a-f-]{1,64}"?')
_DOWNLOADS = 8
_ATTEMPTS = 5
_ANSWER_SECONDS = 30.0
_LONGEST_PAUSE = 60.0


@dataclass(frozen=True)
class Order:
    """The repositories to fetch for one revision of a resource.

    `home` is the name of its home, and `keep` are the homes of the same resource that stay. Without a home, the
    revision is updated in the cache itself, as the library of the Hub does it.
    """

    model: str
    revision: str
    adapters: tuple[str, ...] = ()
    allow_pickle: bool = False
    remote_code: bool = False
    home: str | None = None
    keep: tuple[str, ...] = ()


def fetch(order: Order, directory: Path, token: str | None, seconds: float) -> Path:
    """Complete everything that TGI loads in the cache `directory`, and return the model's folder. Raises FetchError."""
    if not _REVISION.fullmatch(order.revision):
        raise LastingError(f"spec.model.revision: must be a commit, a branch or a tag, not {order.revision!r}")
    if token is not None and not _TOKEN.fullmatch(token):
        raise LastingError(
            "The value of HF_TOKEN is not a valid token; the key in spec.model.tokenSecretRef must contain only the "
            "token"
        )
    configure_http_backend(_session)
    home = Home(directory, order.home) if order.home is not None else None
    try:
        downloads = _registered(order, directory, token, home)
        folder.require_space(directory, sum(download.needed for download in downloads))
        for download in downloads:
            download.run(seconds)
        for download in downloads:
            download.check()
        for download in downloads:
            if home is None:
                download.name()
        if home is not None:
            home.publish((download.part, download.commit) for download in downloads)
    except OSError as error:
        raise failures.of_volume(error, directory) or failures.of_network(error) from error
    return downloads[0].path


def _registered(order: Order, directory: Path, token: str | None, home: Home | None) -> list["_Download"]:
    """Return the downloads after the home has announced them, so that no other Job removes them from now on."""
    while True:
        downloads = list(_prepared(order, directory, token, home))
        _require_one_commit_each(downloads)
        if home is None:
            return downloads
        home.register([download.content for download in downloads], order.keep)
        # Until then, another Job could remove a commit that was complete, and with it the configuration that names
        # other repositories.
        if not any(download.is_lost for download in downloads):
            return downloads


def _prepared(order: Order, directory: Path, token: str | None, home: Home | None) -> Iterator["_Download"]:
    """Yield the downloads of the model, of its adapters, and of the repositories that its configuration names."""
    waiting = [parts.model(order.model, order.revision), *parts.adapters(order.adapters)]
    known = set()
    while waiting:
        part = waiting.pop(0)
        key = part.repository, part.revision, part.purpose
        if key in known:
            continue
        known.add(key)
        fixed = home.commit(part) if home is not None else None
        download = _Download(part, fixed, directory, token, allow_pickle=order.allow_pickle)
        waiting += parts.others(part, download.prepare(), remote_code=order.remote_code)
        yield download


def _require_one_commit_each(downloads: Iterable["_Download"]) -> None:
    """Raise LastingError if TGI would look for two commits of a repository by the same name."""
    found: dict[tuple[str, str], str] = {}
    for download in downloads:
        part = download.part
        for name in part.references:
            other = found.setdefault((part.repository, name), download.commit)
            if other != download.commit:
                raise LastingError(
                    f"{part.uri}: TGI would load commits {other} and {download.commit} as {name}; use one revision of "
                    f"this repository, and check {part.named_by}"
                )


class _Download:
    """The download of one revision of one repository from the Hub to the cache. `commit` is its commit, if known."""

    def __init__(
        self, part: Part, commit: str | None, directory: Path, token: str | None, *, allow_pickle: bool
    ) -> None:
        self.part = part
        self.commit = commit or (part.revision if _COMMIT.fullmatch(part.revision) else "")
        self.needed = 0
        self._fixed = commit is not None
        self._token = token
        # TGI converts the weights of the model and of adapters, but not those of a base model (`download_weights`).
        self._allow_pickle = allow_pickle and part.purpose is not Purpose.BASE
        self._cache = HubCache(directory, part.repository, part.purpose)
        self._files: list[HubFile] | None = None

    @property
    def path(self) -> Path:
        """The folder of the commit."""
        return self._cache.snapshot(self.commit)

    @property
    def is_lost(self) -> bool:
        """Whether the commit was complete when it was prepared but no longer is."""
        return self._files is None and not self._cache.is_complete(self.commit)

    @property
    def content(self) -> Content:
        """The commit and its files, for the manifest of a home."""
        part, files = self.part, self._files
        blobs = self._cache.digests(self.commit) if files is None else tuple(sorted(file.digest for file in files))
        return Content(part.repository, part.revision, part.purpose, self.commit, blobs)

    def prepare(self) -> dict[str, Any]:
        """Find the commit and its files, and return its configuration, the first of its files to be fetched."""
        if self.commit and self._cache.is_complete(self.commit):
            names = self._cache.names(self.commit)
            say(f"{self.part.uri}: all files of commit {self.commit} are already in {self._cache.directory}")
        else:
            self._files = self._listed()
            names = frozenset(file.name for file in self._files)
            self._with_reasons(lambda: self._fetch_all([file for file in self._files or () if file.name in CONFIGS]))
        return {name: self._json(name) for name in CONFIGS if name in names}

    def run(self, seconds: float) -> None:
        """Fetch the missing files."""
        files = self._files
        if files is None:
            return
        for file in files:
            if file.size > MAX_HTTP_DOWNLOAD_SIZE:
                text = f"{file.name} is {gib(file.size)} GiB, more than the Hub sends in one piece; use an s3:// URI"
                raise LastingError(f"{self.part.uri}: {text}")
        with Progress(sum(file.size for file in files), lambda: self._arrived(files), seconds):
            self._with_reasons(lambda: self._fetch_all(files))
        self._cache.complete(self.commit, files)

    def check(self) -> None:
        """Raise LastingError unless TGI can load the folder and everything in it."""
        names = self._cache.names(self.commit)
        if self.part.purpose is Purpose.CODE:
            sharing.share(self.path, self._cache.directory, writable=False)
            return
        if any(name.endswith(SAFETENSORS) for name in names):
            folder.require_only(self.path, names)
        if self.part.purpose is Purpose.ADAPTER:
            folder.check_adapter(self.path, allow_pickle=self._allow_pickle)
        else:
            folder.check(self.path, allow_pickle=self._allow_pickle)
        sharing.share(self.path, self._cache.directory, writable=any(name.endswith(PICKLED) for name in names))

    def name(self) -> None:
        """Make the revision refer to the commit in the cache itself."""
        for revision in {*self.part.references, self.commit}:
            self._cache.name(revision, self.commit)

    def failure(self, error: OSError) -> failures.FetchError:
        """Return the meaning of an error."""
        return failures.of_volume(error, self._cache.directory) or hub_failures.failure(
            error, self.part, with_token=self._token is not None
        )

    def _with_reasons(self, call: Callable[[], Result]) -> Result:
        try:
            return call()
        except OSError as error:
            raise self.failure(error) from error
        except ValueError as error:
            # A name that the library refuses.
            raise LastingError(f"{self.part.uri}: {failures.line(error)}; check {self.part.named_by}") from error

    def _listed(self) -> list[HubFile]:
        """Ask the Hub for the commit and its files."""
        # Without a token of ours, no token is sent: with None, the library would look for one.
        api = HfApi(token=self._token or False)
        revision = self.commit or self.part.revision

        def call() -> ModelInfo:
            return api.model_info(self.part.repository, revision=revision, files_metadata=True, timeout=_ANSWER_SECONDS)

        info = self._with_reasons(lambda: self._patiently(call))
        self.commit = str(info.sha)
        if not _COMMIT.fullmatch(self.commit):
            raise LastingError(
                f"{self.part.uri}: the Hub sent {self.commit[:80]!r} as the commit hash, but this value is not a hash; "
                "use a Hub that provides Git commit hashes"
            )
        files = self._chosen(info)
        total = sum(file.size for file in files)
        self.needed = total - self._arrived(files)
        stays = "stays at" if self._fixed else "is"
        what = f"{self.part.uri}: {self.part.revision} {stays} commit {self.commit}"
        say(f"{what}; {amount(total, len(files))}, {gib(self.needed)} GiB to fetch")
        return files

    def _arrived(self, files: list[HubFile]) -> int:
        return sum(self._cache.arrived(self.commit, file) for file in files)

    def _json(self, name: str) -> Any:
        try:
            return json.loads((self.path / name).read_text())
        except (ValueError, RecursionError):
            # TGI reports it if it reads the file.
            return None

    def _chosen(self, info: ModelInfo) -> list[HubFile]:
        listed = {sibling.rfilename: sibling for sibling in info.siblings or ()}
        purpose = self.part.purpose
        if purpose is Purpose.CODE:
            chosen = companions(listed)
        else:
            adapter = purpose is Purpose.ADAPTER
            chosen = choose(listed, allow_pickle=self._allow_pickle, adapter=adapter)
            if not weights(chosen, adapter=adapter) and weights(listed, adapter=adapter):
                why = folder.NO_BASE if purpose is Purpose.BASE else folder.ONLY_PICKLE
                raise LastingError(f"{self.part.uri}: {why}")
        found = []
        for name in chosen:
            sibling = listed[name]
            digest = sibling.lfs.sha256 if sibling.lfs else str(sibling.blob_id)
            if not digests.is_digest(digest):
                text = f"the Hub reports the unsupported digest {digest!r} for {name}, so the file cannot be verified"
                raise LastingError(f"{self.part.uri}: {text}; use a Hub that provides SHA-256 digests or Git blob IDs")
            # Also before anything is fetched: the names come from another source.
            folder.inside(self._cache.directory, name)
            found.append(HubFile(name, sibling.size or 0, digest))
        return found

    def _fetch_all(self, files: list[HubFile]) -> None:
        with ThreadPoolExecutor(_DOWNLOADS) as pool:
            tasks = [pool.submit(self._patiently, partial(self._fetch_one, file)) for file in files]
            try:
                for task in tasks:
                    task.result()
            except BaseException:
                # Downloads in progress end normally, so that the next run need not repeat them.
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _fetch_one(self, file: HubFile) -> None:
        commit = self.commit
        if self._cache.is_verified(commit, file):
            return
        self._cache.discard(commit, file)
        path = hf_hub_download(
            self.part.repository,
            file.name,
            revision=commit,
            cache_dir=self._cache.directory,
            token=self._token or False,
        )
        folder.flush(Path(path))
        if not self._cache.is_verified(commit, file):
            self._cache.discard(commit, file)
            raise PassingError(
                f"{self.part.uri}: {file.name} does not match the size or digest ({file.digest}) that the Hub "
                "reports; the file was removed and will be fetched again"
            )

    def _patiently(self, call: Callable[[], Result]) -> Result:
        """Call, and repeat the call after a pause if the Hub, or the connection to it, fails."""
        for attempt in range(1, _ATTEMPTS):
            try:
                return call()
            except OSError as error:
                failure = self.failure(error)
                if isinstance(failure, LastingError):
                    raise failure from error
                pause = min(_LONGEST_PAUSE, hub_failures.retry_after(error) or 2.0 ** (attempt - 1))
                say(f"{redacted(str(failure), [self._token] if self._token else [])}; retrying in {pause:g} s")
                time.sleep(pause)
        return call()


def _session() -> requests.Session:
    """Return a session that refuses an ETag that is not a digest, because the library uses it as a path."""
    session = requests.Session()
    session.hooks["response"].append(_check_etag)
    return session


def _check_etag(response: requests.Response, *_: Any, **__: Any) -> None:
    # The name of a file in the cache comes from the answer to HEAD.
    etag = response.headers.get("X-Linked-ETag") or response.headers.get("ETag")
    if response.request.method == "HEAD" and etag is not None and not _ETAG.fullmatch(etag):
        raise LastingError(
            f"{response.url.partition('?')[0]}: the Hub sent the ETag {etag[:80]!r}, which is not a digest; "
            "use a Hub whose ETags are digests"
        )
