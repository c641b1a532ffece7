"""The observed state of one resource on SageMaker. Plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tgi_operator.backends.plans.planning import Need
from tgi_operator.backends.resource import Owner
from tgi_operator.backends.sagemaker.aws.errors import AWSError
from tgi_operator.backends.sagemaker.aws.operations import Part
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.backends.sagemaker.seen.scalable_target import Scalable

CREATING = "Creating"
UPDATING = "Updating"
SYSTEM_UPDATING = "SystemUpdating"
ROLLING_BACK = "RollingBack"
DELETING = "Deleting"
IN_SERVICE = "InService"
OUT_OF_SERVICE = "OutOfService"
FAILED = "Failed"
UPDATE_ROLLBACK_FAILED = "UpdateRollbackFailed"

IN_TRANSITION = frozenset({CREATING, UPDATING, SYSTEM_UPDATING, ROLLING_BACK, DELETING})
"""EndpointStatus in which AWS refuses updates and deletion (DescribeEndpoint of the SageMaker API)."""

KNOWN = IN_TRANSITION | {IN_SERVICE, OUT_OF_SERVICE, FAILED, UPDATE_ROLLBACK_FAILED}
"""Every EndpointStatus that the rules know."""

SERVING = frozenset({IN_SERVICE, UPDATING, SYSTEM_UPDATING, ROLLING_BACK, UPDATE_ROLLBACK_FAILED})
"""EndpointStatus in which requests are accepted."""


@dataclass(frozen=True)
class Listed:
    """An endpoint in a list."""

    status: str
    last_modified: str


@dataclass(frozen=True)
class Endpoint:
    """The relevant part of DescribeEndpoint.

    `image` is the one that the instances run, or None if AWS shows none. `tags` is None if they were not read.
    """

    arn: str
    status: str
    config_name: str
    last_modified: str
    failure_reason: str | None = None
    pending_config_name: str | None = None
    current_count: int | None = None
    desired_count: int | None = None
    created: str = ""
    image: str | None = None
    tags: Mapping[str, str] | None = None

    @property
    def identity(self) -> tuple[str, str]:
        """The identity, which another endpoint with the same name does not have."""
        return self.arn, self.created

    def arn_of(self, part: Part, name: str) -> str:
        """Return the ARN of a model or configuration in the endpoint's account and region."""
        return f"{self.arn.rpartition(':')[0]}:{part}/{name}"

    def revision(self, endpoint_name: str) -> str | None:
        """Return the revision that the endpoint runs, or None if its configuration is not ours."""
        return names.revision_of(endpoint_name, self.config_name)


@dataclass(frozen=True)
class Outage:
    """AWS has not been readable in a scope since `since`. `message` is the error from the last attempt."""

    since: datetime
    message: str


@dataclass(frozen=True)
class Observed:
    """The result of one observation of a resource, and what was `read` for it.

    `endpoint` is None if there is none. `parts` has the tags of the model and configuration that the endpoint runs. A
    part whose tags are None is missing, and one that was not read is not in it. `instance_type` is that of the live
    configuration. `image` is that of the model that was read, if it proves which image runs or was requested. `scaling`
    is the state of Application Auto Scaling, and `scaling_error` is the reason why it could not be read. `outage` means
    that nothing could be read. `denied` means that AWS does not allow the operator to read, and that nothing indicates
    an earlier creation, or that the operator must not send requests. `last_owner` is the resource whose tags the
    endpoint of that name had a moment ago, if several resources want the name.
    """

    endpoint: Endpoint | None = None
    read: frozenset[Need] = frozenset()
    parts: Mapping[Part, Mapping[str, str] | None] = field(default_factory=dict)
    instance_type: str | None = None
    image: str | None = None
    scaling: Scalable | None = None
    scaling_error: AWSError | None = None
    outage: Outage | None = None
    denied: bool = False
    last_owner: Owner | None = None

    def is_missing(self, part: Part) -> bool:
        """Return whether a part was read and does not exist."""
        return part in self.parts and self.parts[part] is None
