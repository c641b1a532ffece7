"""A TGIEndpoint as a backend sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tgi_operator.api.problem import Problem
from tgi_operator.api.spec import DeletionPolicy, Spec
from tgi_operator.api.status import Status
from tgi_operator.backends.keys import Key


@dataclass(frozen=True)
class Owner:
    """The owner of an AWS or Kubernetes object. `cluster` is the uid of the cluster's kube-system namespace."""

    cluster: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class Rival:
    """Another TGIEndpoint with the same endpoint name.

    `owned` means that its status shows the endpoint as its own. `created` is its creationTimestamp.
    """

    key: Key
    created: str
    owned: bool


@dataclass(frozen=True)
class Resource:
    """One TGIEndpoint: identity, generation, spec, and the status last written.

    `spec` is None if the types refuse it, and `problem` is the reason. `fields` is the spec as written, from which
    deletion takes the few fields that it needs. `render_request` is the value of the annotation that requests a new
    rendering, and `request` the value of the one that requests another observation. `rewritten` means that another user
    wrote the status. `rivals` is None until all TGIEndpoints have been seen.
    """

    owner: Owner
    generation: int
    deleting: bool
    spec: Spec | None
    status: Status
    fields: Mapping[str, Any] = field(default_factory=dict)
    problem: Problem | None = None
    render_request: str = ""
    request: str = ""
    created: str = ""
    rewritten: bool = False
    rivals: tuple[Rival, ...] | None = ()
    large: bool = False
    """Whether computations with the spec take so long that they do not run in the event loop."""

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return Key(self.owner.namespace, self.owner.name)

    @property
    def requested(self) -> bool:
        """Whether a user requests another observation, and another attempt at a failed step."""
        return self.request not in ("", self.status.last_handled_request)

    @property
    def handled_request(self) -> str | None:
        """The value of `status.lastHandledRequest` once the request is handled."""
        return self.request or self.status.last_handled_request

    @property
    def retains(self) -> bool:
        """Whether deletion keeps the backend's objects."""
        return self.deleting and self.fields.get("deletionPolicy") == DeletionPolicy.RETAIN
