"""The Secrets and service accounts that a TGIEndpoint can use: those of its namespace that carry a label.

Permission to write a TGIEndpoint is not permission to read Secrets or to act as a service account.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from tgi_operator.api.identifiers import LABEL_ALLOW_USE
from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason

_PLURALS = {"Secret": "secrets", "ServiceAccount": "serviceaccounts"}


@dataclass(frozen=True)
class Reference:
    """An object that a spec names in the namespace: its kind, its name, and the field that names it."""

    kind: Literal["Secret", "ServiceAccount"]
    name: str
    field: str


class LabelReader(Protocol):
    """Reads the labels of objects."""

    async def labels(self, path: str) -> Mapping[str, str] | None:
        """Return the labels of an object, or None if it does not exist."""


def unlabelled(reference: Reference, namespace: str, labels: Mapping[str, str]) -> Problem | None:
    """Return the problem that an object lacks the label, or None if the object has the label."""
    if labels.get(LABEL_ALLOW_USE) == "true":
        return None
    kind, name = reference.kind, reference.name
    return Problem(
        Reason.USE_NOT_ALLOWED,
        f'{reference.field}: {kind} {namespace}/{name} lacks the label {LABEL_ALLOW_USE}: "true"; use another {kind} '
        f"or run `kubectl label {kind.casefold()} {name} -n {namespace} {LABEL_ALLOW_USE}=true`",
    )


async def first_problem(reader: LabelReader, namespace: str, references: Iterable[Reference]) -> Problem | None:
    """Return the first problem with the objects that a spec names. Each object is read once.

    A missing object is a problem too: a user who creates it later must not expose it unintentionally.
    """
    seen: set[tuple[str, str]] = set()
    for reference in references:
        if (reference.kind, reference.name) in seen:
            continue
        seen.add((reference.kind, reference.name))
        labels = await reader.labels(f"/api/v1/namespaces/{namespace}/{_PLURALS[reference.kind]}/{reference.name}")
        if labels is None:
            return Problem(
                Reason.USE_NOT_ALLOWED,
                f"{reference.field}: {reference.kind} {namespace}/{reference.name} does not exist; create the "
                f'{reference.kind} with the label {LABEL_ALLOW_USE}: "true" or remove the field',
            )
        problem = unlabelled(reference, namespace, labels)
        if problem is not None:
            return problem
    return None
