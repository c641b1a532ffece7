"""Applies one step as one request to the API server."""

from tgi_operator.backends.incluster.cluster import Cluster
from tgi_operator.backends.incluster.decide.situation import Situation
from tgi_operator.backends.incluster.decide.steps import Apply, Step
from tgi_operator.backends.incluster.desired.manifests import content_digest
from tgi_operator.backends.incluster.kinds import kind_of
from tgi_operator.backends.incluster.seen.children import Children
from tgi_operator.backends.secret_values import without_secrets
from tgi_operator.kube import APIError

_REFUSALS = frozenset({400, 403, 422})

_UNKNOWN_FIELD = "failed to create typed patch object"
"""Part of the message of a 500 response for a field that is not in the schema."""


class RefusedError(Exception):
    """The API server refused a step, and will refuse it until a user changes something."""


async def apply(cluster: Cluster, children: Children, situation: Situation, step: Step) -> None:
    """Make one request. Raises RefusedError if the refusal is permanent, and APIError if it may be temporary."""
    body = step.manifest if isinstance(step, Apply) else step.body
    name = body["metadata"]["name"]
    path = kind_of(body).path(situation.owner.namespace, name)
    try:
        if isinstance(step, Apply):
            # The watch reports this write again, which must not start another reconciliation.
            applied = await cluster.apply(path, step.manifest, step.manager)
            children.applied(applied, content_digest(step.manifest))
        else:
            await cluster.delete(path, body["metadata"]["uid"])
    except APIError as error:
        if error.status not in _REFUSALS and _UNKNOWN_FIELD not in str(error):
            raise
        message = without_secrets(str(error), situation.rendered.secrets if situation.rendered else None)
        raise RefusedError(f"{body['kind']} {name}: {message}") from None
