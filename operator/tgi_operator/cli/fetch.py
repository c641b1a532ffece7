"""`tgi-operator fetch`: fill a volume with a model's weights, or check that they are complete."""

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tgi_operator.exit_codes import ExitCode
from tgi_operator.redaction import redacted
from tgi_operator.weights import folder, sharing
from tgi_operator.weights.failures import FetchError, LastingError, of_volume
from tgi_operator.weights.parts import MAIN, require_complete
from tgi_operator.weights.progress import say
from tgi_operator.weights.source import Folder, HubModel, parse

_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_TERMINATION_MESSAGE_BYTES = 4096


@dataclass(frozen=True)
class Options:
    """The options of the command. All except `allow_pickle` and `remote_code` apply only to hf:// sources."""

    revision: str | None = None
    adapters: tuple[str, ...] = ()
    home: str | None = None
    keep: tuple[str, ...] = ()
    allow_pickle: bool = False
    remote_code: bool = False


def fetch(uri: str, directory: str | None, progress_seconds: float, options: Options) -> int:
    """Fetch the weights and check them. Return the exit code."""
    # TGI runs as another user.
    os.umask(0o022)
    # An unhandled signal does not end the first process of a container. The next run resumes the files on the volume.
    signal.signal(signal.SIGTERM, _end)
    token = os.environ.get("HF_TOKEN", "").strip() or None
    secrets = [token or "", *(os.environ.get(name, "") for name in _SECRETS)]
    try:
        found = _fetched(uri, directory, token, progress_seconds, options)
    except FetchError as error:
        text = redacted(str(error), secrets)
        sys.stderr.write(f"tgi-operator: {text}\n")
        _leave_message(text)
        return error.exit_code
    say(f"{found} contains a model")
    return ExitCode.SUCCESS


def _fetched(uri: str, directory: str | None, token: str | None, seconds: float, options: Options) -> Path:
    source = parse(uri)
    if isinstance(source, HubModel):
        # Each branch imports a large library that the others do not need.
        from tgi_operator.weights import hub

        order = hub.Order(
            source.id,
            options.revision or MAIN,
            options.adapters,
            options.allow_pickle,
            options.remote_code,
            options.home,
            options.keep,
        )
        return hub.fetch(order, _target(uri, directory), token, seconds)
    if options.revision is not None:
        raise LastingError(f"{uri} has no revisions; use --revision only with hf:// models")
    if options.adapters or options.home:
        raise LastingError(f"{uri} is not on the Hub; use --adapter and --home only with hf:// models")
    if isinstance(source, Folder):
        folder.check(source.path, allow_pickle=options.allow_pickle, convertible=False)
        require_complete(uri, folder.configs(source.path), remote_code=options.remote_code)
        return source.path
    from tgi_operator.weights import bucket

    target = _target(uri, directory)
    found = bucket.fetch(source, target, seconds)
    folder.check(found, allow_pickle=options.allow_pickle)
    require_complete(uri, folder.configs(found), remote_code=options.remote_code)
    try:
        sharing.share(found, target, writable=folder.has_only_pickled(found))
    except OSError as error:
        raise of_volume(error, target) or LastingError(f"{target}: {error.strerror}; check the volume") from error
    return found


def _target(uri: str, directory: str | None) -> Path:
    if directory is None:
        raise LastingError(f"{uri} needs a directory for the weights; add the DIRECTORY argument")
    target = Path(directory).absolute()
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise of_volume(error, target) or LastingError(f"{target}: {error.strerror}; check the volume") from error
    return target


def _leave_message(text: str) -> None:
    """Write the text that Kubernetes shows in the pod's status."""
    path = Path(os.environ.get("TERMINATION_MESSAGE_PATH", "/dev/termination-log"))
    if path.is_file() and os.access(path, os.W_OK):
        path.write_bytes(text.encode()[:_TERMINATION_MESSAGE_BYTES])


def _end(_number: int, _: FrameType | None) -> None:
    os._exit(ExitCode.TERMINATED)
