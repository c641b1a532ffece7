"""Pages of List* operations.

Filters apply after a page has been read, so a page can be empty and still have a NextToken: ListEndpoints with
NameContains and MaxResults=1 answers so (boto/boto3#2973).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tgi_sandbox.aws.errors import bad_token
from tgi_sandbox.aws.lifecycle import Endpoint
from tgi_sandbox.aws.pagination import issue, read
from tgi_sandbox.aws.state import EndpointConfig, Model

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tgi_sandbox.aws.operations.call import Call, Request

_DEFAULT_PAGE: Final = 10
_KEYS: Final = {
    "Name": attrgetter("name", "name"),
    "CreationTime": attrgetter("created", "name"),
    "Status": attrgetter("shown_status", "name"),
}
_Listed = TypeVar("_Listed", Endpoint, EndpointConfig, Model)


def page(
    call: Call, listing: str, resources: Iterable[_Listed], request: Request
) -> tuple[list[_Listed], dict[str, str]]:
    """Return the resources of one page after filtering, and `{"NextToken": …}` when there are more pages.

    Newest first unless the request asks otherwise. Raises AwsError for a token that is not good for this listing.
    """
    key = _KEYS[request.get("SortBy", "CreationTime")]
    ordered = sorted(resources, key=key)
    after = _position(call, listing, request)
    if request.get("SortOrder", "Descending") == "Descending":
        start = 0 if after is None else len(ordered) - bisect_left(ordered, after, key=key)
        ordered.reverse()
    else:
        start = 0 if after is None else bisect_right(ordered, after, key=key)
    size = request.get("MaxResults", _DEFAULT_PAGE)
    found = ordered[start : start + size]
    more = start + size < len(ordered)
    token = {"NextToken": issue(call, listing, request, key(found[-1]))} if more else {}
    return [resource for resource in found if _passes(resource, request)], token


def _position(call: Call, listing: str, request: Request) -> tuple[Any, ...] | None:
    try:
        position = read(call, listing, request)
    except (ValueError, TypeError) as error:
        raise bad_token() from error
    return None if position is None else tuple(position)


def _passes(resource: Endpoint | EndpointConfig | Model, request: dict[str, Any]) -> bool:
    wanted, status = request.get("NameContains"), request.get("StatusEquals")
    modified = resource.modified if isinstance(resource, Endpoint) else resource.created
    return (
        (not wanted or wanted.lower() in resource.name.lower())
        and (not status or (isinstance(resource, Endpoint) and status == resource.shown_status))
        and _within(resource.created, request.get("CreationTimeAfter"), request.get("CreationTimeBefore"))
        and _within(modified, request.get("LastModifiedTimeAfter"), request.get("LastModifiedTimeBefore"))
    )


def _within(moment: float, after: float | None, before: float | None) -> bool:
    return (after is None or moment > after) and (before is None or moment < before)
