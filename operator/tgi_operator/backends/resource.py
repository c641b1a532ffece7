"""A TGIEndpoint as a backend sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tgi_operator.api.problem import Problem
from tgi_operator.api.spec import DeletionPolicy, Spec
from tgi_operator.api.status import Status


@dataclass(frozen=True)
class Owner:
    """Whose an AWS or Kubernetes object is. `cluster` is the uid of the cluster's kube-system namespace."""

    cluster: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class Resource:
    """One TGIEndpoint: identity, generation, spec, and the status last written.

    `spec` is None where the types refuse it, and `problem` says why; `fields` is the spec as written, from which
    deletion takes the few fields it needs. `render_request` is the value of the annotation that asks for a new
    rendering.
    """

    owner: Owner
    generation: int
    deleting: bool
    spec: Spec | None
    status: Status
    fields: Mapping[str, Any] = field(default_factory=dict)
    problem: Problem | None = None
    render_request: str = ""
    large: bool = False
    """Whether what is computed of the spec takes so long that it is not done in the event loop."""

    @property
    def retains(self) -> bool:
        """Whether deletion leaves the backend's objects alone."""
        return self.deleting and self.fields.get("deletionPolicy") == DeletionPolicy.RETAIN
