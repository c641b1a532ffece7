"""Refusals that follow only from the spec and the settings. They do not depend on AWS.

The operator and `tgi-operator plan` make the same two checks: before the requests are rendered, and afterwards.
"""

from tgi_operator.api.problem import Problem
from tgi_operator.api.sagemaker import SageMaker
from tgi_operator.api.spec import Spec
from tgi_operator.backends.resource import Resource
from tgi_operator.backends.sagemaker.aws.regions import Regions
from tgi_operator.backends.sagemaker.desired import checks
from tgi_operator.backends.sagemaker.desired.render import Desired
from tgi_operator.backends.sagemaker.permissions import Permissions
from tgi_operator.settings import Settings


class Refusals:
    """The refusals of one operator, by its settings."""

    def __init__(self, settings: Settings) -> None:
        self._regions = Regions(settings.aws_regions)
        self._permissions = Permissions(settings.allowed_roles_file)

    def problem(self, resource: Resource, spec: Spec, target: SageMaker) -> Problem | None:
        """Return the first problem of the spec, or None if there is none."""
        return (
            self._regions.problem(target.region)
            or self._permissions.role_problem(resource.owner.namespace, target.execution_role_arn)
            or checks.first_problem(spec, target)
        )

    def rendered_problem(self, desired: Desired) -> Problem | None:
        """Return the first problem of the rendered requests, or None if they can be sent."""
        return checks.environment_too_large(desired)

    def region_problem(self, region: str) -> Problem | None:
        """Return why a resource must not name a region, or None if it can. It comes before any connection."""
        return self._regions.problem(region)

    def name_problem(self, resource: Resource) -> Problem | None:
        """Return the reason why the namespace is not allowed to use the endpoint's name, or None if it is.

        It is separate from the other refusals, because an endpoint that was created for this very resource is kept.
        """
        named = resource.fields["sageMaker"].get("endpointName")
        return self._permissions.name_problem(resource.owner.namespace, named) if named else None

    def permissions_version(self) -> float | None:
        """Return the time of the last change of the administrators' file, or None if there is no readable file."""
        return self._permissions.version()
