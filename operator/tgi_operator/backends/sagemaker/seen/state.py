"""What was seen of one resource on SageMaker, and the steps that change it. Plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tgi_operator.backends.sagemaker.aws.errors import Meaning
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
"""EndpointStatus in which AWS refuses to update and to delete (DescribeEndpoint of the SageMaker API)."""

SERVING = frozenset({IN_SERVICE, UPDATING, SYSTEM_UPDATING, ROLLING_BACK, UPDATE_ROLLBACK_FAILED})
"""EndpointStatus in which requests are answered."""


class Part(StrEnum):
    """What stands behind an endpoint."""

    MODEL = "model"
    CONFIG = "endpoint-config"


@dataclass(frozen=True)
class Endpoint:
    """DescribeEndpoint, as far as it decides. `tags` is None where they were not asked for."""

    arn: str
    status: str
    config_name: str
    last_modified: str
    failure_reason: str | None = None
    pending_config_name: str | None = None
    current_count: int | None = None
    desired_count: int | None = None
    tags: Mapping[str, str] | None = None

    def arn_of(self, part: Part, name: str) -> str:
        """Return the ARN of a model or configuration in the endpoint's account and region."""
        return f"{self.arn.rpartition(':')[0]}:{part}/{name}"

    def revision(self, endpoint_name: str) -> str | None:
        """Return the revision the endpoint runs, None where its configuration is not ours."""
        return names.revision_of(endpoint_name, self.config_name)


@dataclass(frozen=True)
class Observed:
    """One look: the endpoint, None where there is none, and the tags of what stands behind it.

    A part whose tags are None is missing; one that is not there at all was not looked at. `instance_type` is that of
    the live configuration, and `scalable` what is at Application Auto Scaling; None where that was not looked at.
    """

    endpoint: Endpoint | None = None
    parts: Mapping[Part, Mapping[str, str] | None] = field(default_factory=dict)
    instance_type: str | None = None
    scalable: Scalable | None = None

    def is_missing(self, part: Part) -> bool:
        """Return whether a part was looked for and not found."""
        return part in self.parts and self.parts[part] is None


@dataclass(frozen=True)
class Step:
    """One AWS call.

    `tolerated` are refusals that mean the step is done already. `part` is the kind of a named object that must
    carry our tags: before it is deleted, or when it exists already.
    """

    operation: str
    request: Mapping[str, Any] = field(repr=False)
    tolerated: frozenset[Meaning] = frozenset()
    part: Part | None = None
