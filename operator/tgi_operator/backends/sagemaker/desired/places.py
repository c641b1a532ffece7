"""The place of a resource on SageMaker: the region and the name of its endpoint. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tgi_operator.api.identifiers import log_group
from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.aws.scope import Scope
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.engines.tgi import images


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a resource on SageMaker, which stays the same for all of its revisions."""

    scope: Scope
    endpoint: str

    @property
    def region(self) -> str:
        """The AWS region."""
        return self.scope.region

    @property
    def url(self) -> str:
        """The URL for InvokeEndpoint requests."""
        host = f"runtime.sagemaker.{self.region}.{images.dns_suffix(self.region)}"
        return f"https://{host}/endpoints/{self.endpoint}/invocations"

    @property
    def logs(self) -> str:
        """The log group with the output of the containers, and its page in the AWS console if known."""
        group, console = log_group(self.endpoint), images.console(self.region)
        if console is None:
            return f"CloudWatch log group {group} in {self.region}"
        # The console decodes the fragment after # twice, and uses $ for %.
        quoted = group.replace("/", "$252F")
        page = f"https://{console}/cloudwatch/home?region={self.region}#logsV2:log-groups/log-group/{quoted}"
        return f"CloudWatch log group {group}: {page}"


def generated(key: Key, fields: Mapping[str, Any]) -> Place:
    """Return the place of the resource, unless an earlier version has named its endpoint.

    `fields` are those of the spec, of which only `sageMaker.region` must be readable.
    """
    block = fields["sageMaker"]
    return Place(Scope("", block["region"]), block.get("endpointName") or names.endpoint_name(key))


def former(key: Key, fields: Mapping[str, Any]) -> Place | None:
    """Return the place of an endpoint that an earlier version named, or None if the spec names the endpoint."""
    block = fields["sageMaker"]
    if block.get("endpointName"):
        return None
    return Place(Scope("", block["region"]), names.former_endpoint_name(key))


def shown(key: Key, fields: Mapping[str, Any], status: Mapping[str, Any]) -> Place | None:
    """Return the place of the resource according to spec and status, or None if it is not on SageMaker."""
    if "region" not in (fields.get("sageMaker") or {}):
        return None
    earlier = former(key, fields)
    name = (status.get("sageMaker") or {}).get("endpointName")
    return earlier if earlier is not None and earlier.endpoint == name else generated(key, fields)
