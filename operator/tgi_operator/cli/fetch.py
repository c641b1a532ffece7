"""`tgi-operator fetch`: fill a volume with a model's weights, or check that they are complete."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType

from tgi_operator.exit_codes import ExitCode
from tgi_operator.redaction import redacted
from tgi_operator.weights import folder
from tgi_operator.weights.failures import FetchError, LastingError, of_volume
from tgi_operator.weights.progress import say
from tgi_operator.weights.source import Folder, HubModel, parse

_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_TERMINATION_MESSAGE_BYTES = 4096


def fetch(uri: str, directory: str | None, revision: str | None, progress_seconds: float, *, allow_pickle: bool) -> int:
    """Fetch the weights and check them. Return the exit code."""
    # TGI runs as another user.
    os.umask(0o022)
    # An unhandled signal does not end the first process of a container. The next run resumes the files on the volume.
    signal.signal(signal.SIGTERM, _end)
    token = os.environ.get("HF_TOKEN", "").strip() or None
    secrets = [token or "", *(os.environ.get(name, "") for name in _SECRETS)]
    try:
        found = _fetched(uri, directory, revision, token, progress_seconds, allow_pickle=allow_pickle)
        folder.check(found, allow_pickle=allow_pickle)
    except FetchError as error:
        text = redacted(str(error), secrets)
        sys.stderr.write(f"tgi-operator: {text}\n")
        _leave_message(text)
        return error.exit_code
    say(f"{found} contains a model")
    return ExitCode.SUCCESS


def _fetched(
    uri: str, directory: str | None, revision: str | None, token: str | None, seconds: float, *, allow_pickle: bool
) -> Path:
    source = parse(uri)
    if revision is not None and not isinstance(source, HubModel):
        raise LastingError(f"{uri} has no revisions; use --revision only with hf:// models")
    if isinstance(source, Folder):
        return source.path
    if directory is None:
        raise LastingError(f"{uri} needs a directory for the weights; add the DIRECTORY argument")
    target = Path(directory).absolute()
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise of_volume(error, target) or LastingError(f"{target}: {error.strerror}") from error
    # Each one imports a large library that the other does not need.
    if isinstance(source, HubModel):
        from tgi_operator.weights import hub

        return hub.fetch(source, revision or "main", target, token, seconds, allow_pickle=allow_pickle)
    from tgi_operator.weights import bucket

    return bucket.fetch(source, target, seconds)


def _leave_message(text: str) -> None:
    """Write the text that Kubernetes shows in the pod's status."""
    path = Path(os.environ.get("TERMINATION_MESSAGE_PATH", "/dev/termination-log"))
    if path.is_file() and os.access(path, os.W_OK):
        path.write_bytes(text.encode()[:_TERMINATION_MESSAGE_BYTES])


def _end(_number: int, _: FrameType | None) -> None:
    os._exit(ExitCode.TERMINATED)
