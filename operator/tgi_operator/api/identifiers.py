"""The names under which the API is known to Kubernetes and to AWS."""

GROUP = "tgi-operator.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "TGIEndpoint"
PLURAL = "tgiendpoints"
SINGULAR = "tgiendpoint"
SHORT_NAME = "tgi"

FINALIZER = f"{GROUP}/finalizer"
"""Held while AWS may still have something of this resource."""

RENDER_ANNOTATION = f"{GROUP}/render"
"""Annotation whose change asks for a new rendering of the same spec."""

REQUEST_ANNOTATION = f"{GROUP}/requestedAt"
"""Annotation whose change asks for another observation, and another attempt at a remembered failure."""

MOST_ANNOTATION = 256
"""Characters of these annotations that count; what follows is ignored."""

LABEL_ALLOW_USE = f"{GROUP}/allow-use"
"""Label `"true"` of a Secret or service account that the TGIEndpoints of its namespace are allowed to use."""

FIELD_MANAGER = "tgi-operator"
"""Names us in managedFields and as the reporting controller of Events."""
