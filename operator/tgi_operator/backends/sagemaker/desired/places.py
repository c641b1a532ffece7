"""Where a resource lives on SageMaker: the region and the name of its endpoint. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.aws.scope import Scope
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.engines.tgi import images


@dataclass(frozen=True, slots=True)
class Place:
    """Where on SageMaker a resource lives; it stays the same for all its revisions."""

    scope: Scope
    endpoint: str

    @property
    def region(self) -> str:
        """The AWS region."""
        return self.scope.region

    @property
    def url(self) -> str:
        """Where InvokeEndpoint requests go."""
        host = f"runtime.sagemaker.{self.region}.{images.dns_suffix(self.region)}"
        return f"https://{host}/endpoints/{self.endpoint}/invocations"


def generated(key: Key, fields: Mapping[str, Any]) -> Place:
    """Return where the resource lives unless an earlier version has named its endpoint.

    `fields` are those of the spec, of which no more than `sageMaker.region` need be readable.
    """
    block = fields["sageMaker"]
    return Place(Scope("", block["region"]), block.get("endpointName") or names.endpoint_name(key))


def former(key: Key, fields: Mapping[str, Any]) -> Place | None:
    """Return where an endpoint that an earlier version named may be; None where the spec names the endpoint."""
    block = fields["sageMaker"]
    if block.get("endpointName"):
        return None
    return Place(Scope("", block["region"]), names.former_endpoint_name(key))


def shown(key: Key, fields: Mapping[str, Any], status: Mapping[str, Any]) -> Place | None:
    """Return where the resource lives as far as spec and status tell; None where it does not live on SageMaker."""
    if "region" not in (fields.get("sageMaker") or {}):
        return None
    earlier = former(key, fields)
    name = (status.get("sageMaker") or {}).get("endpointName")
    return earlier if earlier is not None and earlier.endpoint == name else generated(key, fields)
