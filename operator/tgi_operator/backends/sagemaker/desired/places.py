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

    @property
    def log_group(self) -> str:
        """The CloudWatch log group that has the output of the endpoint's containers."""
        return f"/aws/sagemaker/Endpoints/{self.endpoint}"

    @property
    def logs(self) -> str:
        """Where to read the output of the containers: the log group, and its page in the AWS console if known."""
        console = images.console(self.region)
        if console is None:
            return f"CloudWatch log group {self.log_group} in {self.region}"
        # The console decodes what follows # twice, and has $ for %.
        group = self.log_group.replace("/", "$252F")
        page = f"https://{console}/cloudwatch/home?region={self.region}#logsV2:log-groups/log-group/{group}"
        return f"CloudWatch log group {self.log_group}: {page}"


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
