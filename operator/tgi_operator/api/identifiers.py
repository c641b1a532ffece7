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

LABEL_ALLOW_USE = f"{GROUP}/allow-use"
"""Label with which the owner of a Secret lets TGIEndpoints of its namespace use it, where its value is `true`."""

FIELD_MANAGER = "tgi-operator"
"""Names us in managedFields and as the reporting controller of Events."""
