"""The meaning of an answer of the Hugging Face Hub, or of a missing answer, for the author of the resource."""

from typing import Any

from huggingface_hub.constants import ENDPOINT
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tgi_operator.weights.failures import CHECK_NETWORK, FetchError, LastingError, PassingError, line
from tgi_operator.weights.parts import Part, Purpose

_SECRET = "spec.model.tokenSecretRef"  # noqa: S105 - the name of a field
_BUSY = {408, 425, 429}


def failure(error: OSError, part: Part, *, with_token: bool) -> FetchError:
    """Return the failure for an error of the library or of the network."""
    error = _reason(error)
    status = _status(error)
    if remedy := _remedy(error, status, part, with_token=with_token):
        return LastingError(f"{part.uri}: {remedy}")
    if status is None:
        why = f"the connection to {ENDPOINT} failed: {line(_origin(error))}"
        return PassingError(f"{part.uri}: {why}; {CHECK_NETWORK}")
    if status >= 500 or status in _BUSY:
        check = "if the problem persists, check the status and the rate limits of the Hub"
        return PassingError(f"{part.uri}: the Hub responded with {status}; {check}")
    return LastingError(f"{part.uri}: the Hub responded with {status}: {line(error)}; check {part.named_by}")


def retry_after(error: OSError) -> float | None:
    """Return the seconds that the Hub requests to wait, or None if it names none."""
    response: Any = getattr(_reason(error), "response", None)
    try:
        return float(response.headers["Retry-After"])
    except (AttributeError, KeyError, ValueError):
        return None


def _remedy(error: OSError, status: int | None, part: Part, *, with_token: bool) -> str | None:
    if isinstance(error, GatedRepoError):
        ask = f"request access at {ENDPOINT}/{part.repository}"
        if with_token:
            account = "with the account that owns the token"
            return f"the model is gated, and the token in {_SECRET} has no access ({status}); {ask} {account}"
        return f"the model is gated ({status}); {ask} and set {_SECRET}"
    if isinstance(error, RepositoryNotFoundError):
        secret = f"the token in {_SECRET} must be allowed to read the model" if with_token else f"set {_SECRET}"
        missing = f"the model does not exist or is private ({status})"
        return f"{missing}; check {part.named_by}, and if the model is private, {secret}"
    if isinstance(error, RevisionNotFoundError):
        return f"the revision {part.revision!r} does not exist ({status}); check {_revision_of(part)}"
    if isinstance(error, EntryNotFoundError):
        return f"a file in the commit no longer exists ({status}); check {_revision_of(part)}"
    if status in (401, 403):
        if with_token:
            return (
                f"the Hub rejected the token ({status}); in {_SECRET}, reference a token that has access to the model"
            )
        return f"the Hub requires a token ({status}); set {_SECRET}"
    return None


def _revision_of(part: Part) -> str:
    return "spec.model.revision" if part.purpose is Purpose.MODEL else part.named_by


def _reason(error: OSError) -> OSError:
    # The error of the library if it would also have accepted an older copy in the cache.
    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, OSError):
        return error.__cause__
    return error


def _origin(error: BaseException) -> BaseException:
    # Such as "Connection refused", which each layer above has extended to a longer sentence.
    while error.__context__ is not None:
        error = error.__context__
    return error


def _status(error: OSError) -> int | None:
    response: Any = getattr(error, "response", None)
    return None if response is None else int(response.status_code)
