"""A TGIEndpoint as a backend sees it."""

from dataclasses import dataclass

from tgi_operator.api.spec import Spec
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
    """One TGIEndpoint: identity, generation, spec, and the status last written."""

    owner: Owner
    generation: int
    deleting: bool
    spec: Spec
    status: Status
