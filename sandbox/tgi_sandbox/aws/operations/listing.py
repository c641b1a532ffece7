"""Pages of List* operations.

Filters apply after a page has been read, so a page can be empty and still have a NextToken: ListEndpoints with
NameContains and MaxResults=1 answers so (boto/boto3#2973).
"""

from __future__ import annotations

import base64
import json
from bisect import bisect_left, bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tgi_sandbox.aws.errors import validation
from tgi_sandbox.aws.lifecycle import Endpoint
from tgi_sandbox.aws.state import EndpointConfig, Model

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tgi_sandbox.aws.errors import AwsError

_DEFAULT_PAGE: Final = 10
_KEYS: Final = {
    "Name": attrgetter("name", "name"),
    "CreationTime": attrgetter("created", "name"),
    "Status": attrgetter("status", "name"),
}
_Listed = TypeVar("_Listed", Endpoint, EndpointConfig, Model)


def page(resources: Iterable[_Listed], request: dict[str, Any]) -> tuple[list[_Listed], dict[str, str]]:
    """The resources of one page after filtering, and `{"NextToken": …}` when there are more pages.

    Newest first unless asked otherwise. Raises AwsError for a token this double has not handed out.
    """
    key = _KEYS[request.get("SortBy", "CreationTime")]
    ordered = sorted(resources, key=key)
    if request.get("SortOrder", "Descending") == "Descending":
        ordered.reverse()
        start = len(ordered) - _position(bisect_left, ordered[::-1], request, key) if "NextToken" in request else 0
    else:
        start = _position(bisect_right, ordered, request, key) if "NextToken" in request else 0
    size = request.get("MaxResults", _DEFAULT_PAGE)
    read = ordered[start : start + size]
    token = {"NextToken": _encode(key(read[-1]))} if start + size < len(ordered) else {}
    return [resource for resource in read if _passes(resource, request)], token


def _position(bisect: Any, ascending: list[_Listed], request: dict[str, Any], key: Any) -> int:
    try:
        position: int = bisect(ascending, _decode(request["NextToken"]), key=key)
    except (ValueError, TypeError) as error:
        raise _bad_token() from error
    return position


def _encode(key: tuple[str | float, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def _decode(token: str) -> tuple[str | float, str]:
    first, second = json.loads(base64.urlsafe_b64decode(token))
    return (first, second)


def _bad_token() -> AwsError:
    # assumed: the text.
    return validation("Invalid pagination token.")


def _passes(resource: Endpoint | EndpointConfig | Model, request: dict[str, Any]) -> bool:
    wanted, status = request.get("NameContains"), request.get("StatusEquals")
    modified = resource.modified if isinstance(resource, Endpoint) else resource.created
    return (
        (not wanted or wanted.lower() in resource.name.lower())
        and (not status or (isinstance(resource, Endpoint) and status == resource.status))
        and _within(resource.created, request.get("CreationTimeAfter"), request.get("CreationTimeBefore"))
        and _within(modified, request.get("LastModifiedTimeAfter"), request.get("LastModifiedTimeBefore"))
    )


def _within(moment: float, after: float | None, before: float | None) -> bool:
    return (after is None or moment > after) and (before is None or moment < before)
