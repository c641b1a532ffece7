"""Refusals that follow only from the spec and the settings. They do not depend on the cluster.

The operator and `tgi-operator plan` make the same two checks: before the objects are rendered, and afterwards.
"""

from tgi_operator.api.incluster import InCluster
from tgi_operator.api.problem import Problem
from tgi_operator.api.spec import Spec
from tgi_operator.backends.incluster.desired import checks, restrictions
from tgi_operator.backends.incluster.desired.render import Desired
from tgi_operator.settings import Settings


class Refusals:
    """The refusals of one operator, by its settings."""

    def __init__(self, settings: Settings) -> None:
        self._restricted = settings.pod_template == "restricted"
        self._service_annotations = settings.service_annotations

    def problem(self, spec: Spec, target: InCluster) -> Problem | None:
        """Return the first problem of the spec, or None if objects can be rendered from it."""
        return checks.first_problem(spec, target) or restrictions.annotation_problem(
            target.service.annotations, self._service_annotations
        )

    def rendered_problem(self, desired: Desired) -> Problem | None:
        """Return the first problem of the rendered objects, or None if they can be applied."""
        return restrictions.problem(desired.template) if self._restricted else None
