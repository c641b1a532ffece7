"""AddTags, DeleteTags, ListTags, and the tags of Create* requests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from tgi_sandbox.aws.errors import bad_token, validation

if TYPE_CHECKING:
    from tgi_sandbox.aws.operations.call import Call, Request, Response

_ARN: Final = re.compile(
    r"arn:[a-z-]+:sagemaker:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):(?P<kind>[a-z-]+)/(?P<name>.+)"
)
_MOST: Final = 50


def tags_of(request: Request) -> dict[str, str]:
    """Return the tags of a Create* or AddTags request; raises AwsError if they are not acceptable."""
    listed = request.get("Tags") or []
    tags = {tag["Key"]: tag["Value"] for tag in listed}
    if len(tags) < len(listed):
        # assumed: the text.
        raise validation("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    reserved = next((key for key in tags if key.lower().startswith("aws:")), None)
    if reserved is not None:
        # assumed: the text; the tagging documentation reserves the prefix.
        raise validation(f'Tag key "{reserved}" uses the reserved prefix aws:.')
    return tags


def add_tags(call: Call, request: Request) -> Response:
    """Add or overwrite tags; returns all tags of the resource."""
    tags = _tags_at(call, request["ResourceArn"])
    merged = {**tags, **tags_of(request)}
    if len(merged) > _MOST:
        # assumed: the text. A resource can have 50 tags (AWS tagging documentation), counted after the call: the API
        # model only limits the tags of one request. It has no error for AddTags, which leaves ValidationException.
        raise validation(f'Resource "{request["ResourceArn"]}" cannot have more than {_MOST} tags.')
    tags.update(merged)
    return {"Tags": _listed(merged)}


def delete_tags(call: Call, request: Request) -> Response:
    """Remove tags; missing keys are ignored."""
    tags = _tags_at(call, request["ResourceArn"])
    for key in request["TagKeys"]:
        tags.pop(key, None)
    return {}


def list_tags(call: Call, request: Request) -> Response:
    """Return the tags of a resource: one page at most, as MaxResults is 50 or more."""
    tags = _tags_at(call, request["ResourceArn"])
    if "NextToken" in request:
        raise bad_token()
    return {"Tags": _listed(tags)}


def _tags_at(call: Call, arn: str) -> dict[str, str]:
    match = _ARN.fullmatch(arn)
    if match is None or (match["account"], match["region"]) != (call.region.account, call.region.region):
        # assumed: the text.
        raise validation(f'Invalid resource ARN "{arn}".')
    kind, name = match["kind"], match["name"]
    if kind == "model":
        canonical = call.region.model(name).arn
    elif kind == "endpoint-config":
        canonical = call.region.config(name).arn
    elif kind == "endpoint":
        canonical = call.region.endpoint(name).arn
    else:
        # assumed: the text; other kinds of resources do not exist in the emulator.
        raise validation(f'Could not find resource "{arn}".')
    return call.region.tags.setdefault(canonical, {})


def _listed(tags: dict[str, str]) -> list[dict[str, Any]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
