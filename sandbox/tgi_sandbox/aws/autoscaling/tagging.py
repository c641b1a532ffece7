"""TagResource, UntagResource and ListTagsForResource: tags of scalable targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tgi_sandbox.aws.errors import AwsError, validation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tgi_sandbox.aws.autoscaling.targets import Target
    from tgi_sandbox.aws.operations.call import Call, Request, Response

MOST_TAGS: Final = 50


def with_tags(tags: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """Return the tags with others added; raises AwsError if they are not acceptable."""
    # assumed: the texts.
    if reserved := next((key for key in added if key.lower().startswith("aws:")), None):
        raise validation(f'Tag key "{reserved}" uses the reserved prefix aws:.')
    merged = {**tags, **added}
    if len(merged) > MOST_TAGS:
        raise AwsError("TooManyTagsException", f"A resource can have at most {MOST_TAGS} tags.")
    return merged


def tag_resource(call: Call, request: Request) -> Response:
    """Add or overwrite tags."""
    target = _target(call, request)
    target.tags = with_tags(target.tags, request["Tags"])
    return {}


def untag_resource(call: Call, request: Request) -> Response:
    """Remove tags; missing keys are ignored."""
    target = _target(call, request)
    target.tags = {key: value for key, value in target.tags.items() if key not in request["TagKeys"]}
    return {}


def list_tags_for_resource(call: Call, request: Request) -> Response:
    """Return the tags of a target."""
    return {"Tags": dict(_target(call, request).tags)}


def _target(call: Call, request: Request) -> Target:
    arn = request["ResourceARN"]
    found = next((each for each in call.region.scaling.targets.values() if each.arn == arn), None)
    if found is None:
        # assumed: the text.
        raise AwsError("ResourceNotFoundException", f"No scalable target found for resource ARN: {arn}")
    return found
