"""Reads of a model or configuration, and of the tags of any object. Raises AWSError if AWS does not answer."""

from collections.abc import Mapping
from typing import Any

from tgi_operator.backends.sagemaker.aws.client import Calls
from tgi_operator.backends.sagemaker.aws.errors import NOT_FOUND, AWSError
from tgi_operator.backends.sagemaker.aws.operations import Part
from tgi_operator.backends.sagemaker.aws.scope import Scope
from tgi_operator.backends.sagemaker.desired import names

NAME_FIELDS: Mapping[Part, str] = {Part.MODEL: "ModelName", Part.CONFIG: "EndpointConfigName"}
"""Field of a request that names a part."""

_DESCRIBE: Mapping[Part, tuple[str, str]] = {
    Part.MODEL: ("DescribeModel", "ModelArn"),
    Part.CONFIG: ("DescribeEndpointConfig", "EndpointConfigArn"),
}
"""Operation, and field of the ARN in the response."""


async def read_part(
    api: Calls, scope: Scope, part: Part, name: str
) -> tuple[Mapping[str, Any], Mapping[str, str] | None]:
    """Return a model or configuration and its tags, or an empty one and None if it does not exist."""
    operation, arn_field = _DESCRIBE[part]
    try:
        described = await api.call(scope, operation, {NAME_FIELDS[part]: name})
    except AWSError as error:
        if error.meaning in NOT_FOUND:
            return {}, None
        raise
    return described, await read_tags(api, scope, described[arn_field])


async def read_tags(api: Calls, scope: Scope, arn: str) -> Mapping[str, str]:
    """Return all tags of the object with the ARN."""
    tags: dict[str, str] = {}
    request: dict[str, Any] = {"ResourceArn": arn, "MaxResults": 50}
    while True:
        page = await api.call(scope, "ListTags", request)
        tags |= names.from_list(page.get("Tags", ()))
        if not page.get("NextToken"):
            return tags
        request["NextToken"] = page["NextToken"]
