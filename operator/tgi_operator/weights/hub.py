"""Weights from the Hugging Face Hub, with its own library."""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import requests
from huggingface_hub import HfApi, configure_http_backend, hf_hub_download
from huggingface_hub.constants import MAX_HTTP_DOWNLOAD_SIZE
from huggingface_hub.hf_api import ModelInfo

from tgi_operator.redaction import redacted
from tgi_operator.weights import digests, failures, folder, hub_failures
from tgi_operator.weights.failures import LastingError, PassingError
from tgi_operator.weights.hub_cache import HubCache, HubFile
from tgi_operator.weights.progress import Progress, amount, gib, say
from tgi_operator.weights.selection import SAFETENSORS, choose, weights
from tgi_operator.weights.source import HubModel

Result = TypeVar("Result")

_COMMIT = re.compile(r"[0-9a-f]{40}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_TOKEN = re.compile(r"[!-~]+")
_ETAG = re.compile(r'(W/)?"?[0-9a-f-]{1,64}"?')
_DOWNLOADS = 8
_ATTEMPTS = 5
_ANSWER_SECONDS = 30.0
_LONGEST_PAUSE = 60.0


def fetch(
    source: HubModel, revision: str, directory: Path, token: str | None, seconds: float, *, allow_pickle: bool
) -> Path:
    """Complete a revision in the cache `directory`, and return the folder of its commit. Raises FetchError."""
    if not _REVISION.fullmatch(revision):
        raise LastingError(f"spec.model.revision: must be a commit, a branch or a tag, not {revision!r}")
    if token is not None and not _TOKEN.fullmatch(token):
        raise LastingError(
            "The value of HF_TOKEN is not a valid token; the key in spec.model.tokenSecretRef must contain only the "
            "token"
        )
    configure_http_backend(_session)
    download = _Download(source.id, revision, directory, token, allow_pickle=allow_pickle)
    try:
        return download.run(seconds)
    except OSError as error:
        raise download.failure(error) from error
    except ValueError as error:
        # A name that the library refuses.
        raise LastingError(f"hf://{source.id}: {failures.line(error)}") from error


class _Download:
    """The download of one revision of one model from the Hub to the cache."""

    def __init__(self, model: str, revision: str, directory: Path, token: str | None, *, allow_pickle: bool) -> None:
        self._model = model
        self._revision = revision
        self._token = token
        self._allow_pickle = allow_pickle
        self._cache = HubCache(directory, model)

    def run(self, seconds: float) -> Path:
        """Fetch the missing files. Return the folder of the commit."""
        if _COMMIT.fullmatch(self._revision) and self._cache.is_complete(self._revision):
            commit = self._revision
            say(f"hf://{self._model}: all files of commit {commit} are already in {self._cache.directory}")
        else:
            commit = self._fetch(seconds)
        names = self._cache.names(commit)
        if any(name.endswith(SAFETENSORS) for name in names):
            folder.require_only(self._cache.snapshot(commit), names)
        self._cache.name(self._revision, commit)
        return self._cache.snapshot(commit)

    def failure(self, error: OSError) -> failures.FetchError:
        """Return the meaning of an error."""
        return failures.of_volume(error, self._cache.directory) or hub_failures.failure(
            error, self._model, self._revision, with_token=self._token is not None
        )

    def _fetch(self, seconds: float) -> str:
        # Without a token of ours, no token is sent: with None, the library would look for one.
        api = HfApi(token=self._token or False)
        info = self._patiently(
            lambda: api.model_info(self._model, revision=self._revision, files_metadata=True, timeout=_ANSWER_SECONDS)
        )
        commit, files = str(info.sha), self._files(info)
        total = sum(file.size for file in files)
        needed = total - sum(self._cache.arrived(commit, file) for file in files)
        what = f"hf://{self._model}: {self._revision} is commit {commit}"
        say(f"{what}; {amount(total, len(files))}, {gib(needed)} GiB to fetch")
        folder.require_space(self._cache.directory, needed)
        for file in files:
            if file.size > MAX_HTTP_DOWNLOAD_SIZE:
                text = f"{file.name} is {gib(file.size)} GiB, which is more than the Hub sends in one piece"
                raise LastingError(f"hf://{self._model}: {text}; use an s3:// uri")
        with Progress(total, lambda: sum(self._cache.arrived(commit, file) for file in files), seconds):
            self._fetch_all(commit, files)
        self._cache.complete(commit, files)
        return commit

    def _files(self, info: ModelInfo) -> list[HubFile]:
        listed = {sibling.rfilename: sibling for sibling in info.siblings or ()}
        chosen = choose(listed, allow_pickle=self._allow_pickle)
        if not weights(chosen) and weights(listed):
            raise LastingError(f"hf://{self._model}: {folder.ONLY_PICKLE}")
        found = []
        for name in chosen:
            sibling = listed[name]
            digest = sibling.lfs.sha256 if sibling.lfs else str(sibling.blob_id)
            if not digests.is_digest(digest):
                text = f"the Hub reports the unsupported digest {digest!r} for {name}, so the file cannot be verified"
                raise LastingError(
                    f"hf://{self._model}: {text}; use a Hub that provides SHA-256 digests or Git blob IDs"
                )
            found.append(HubFile(name, sibling.size or 0, digest))
        return found

    def _fetch_all(self, commit: str, files: list[HubFile]) -> None:
        with ThreadPoolExecutor(_DOWNLOADS) as pool:
            tasks = [pool.submit(self._patiently, partial(self._fetch_one, commit, file)) for file in files]
            try:
                for task in tasks:
                    task.result()
            except BaseException:
                # Downloads in progress end normally, so that the next run need not repeat them.
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _fetch_one(self, commit: str, file: HubFile) -> None:
        if self._cache.is_verified(commit, file):
            return
        self._cache.discard(commit, file)
        path = hf_hub_download(
            self._model,
            file.name,
            revision=commit,
            cache_dir=self._cache.directory,
            token=self._token or False,
        )
        folder.flush(Path(path))
        if not self._cache.is_verified(commit, file):
            self._cache.discard(commit, file)
            raise PassingError(
                f"hf://{self._model}: {file.name} does not match the size or digest ({file.digest}) that the Hub "
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
            f"{response.url.partition('?')[0]}: the Hub sent the ETag {etag[:80]!r}, which is not a digest"
        )
