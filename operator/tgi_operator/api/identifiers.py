"""The names by which Kubernetes and AWS know the API."""

GROUP = "tgi-operator.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "TGIEndpoint"
PLURAL = "tgiendpoints"
SINGULAR = "tgiendpoint"
SHORT_NAME = "tgi"

FINALIZER = f"{GROUP}/finalizer"
"""The finalizer, which is set while AWS may still have objects of this resource."""

RENDER_ANNOTATION = f"{GROUP}/render"
"""Annotation that requests a new rendering of the same spec when its value changes."""

REQUEST_ANNOTATION = f"{GROUP}/requestedAt"
"""Annotation that requests another observation, and another attempt at a remembered failure, when its value changes."""

MOST_ANNOTATION = 256
"""Characters of these annotations that count. The rest is ignored."""

LABEL_ALLOW_USE = f"{GROUP}/allow-use"
"""Label `"true"` of a Secret or service account that the TGIEndpoints of its namespace are allowed to use."""

FIELD_MANAGER = "tgi-operator"
"""Name of the operator in managedFields and as the reporting controller of Events."""


def log_group(endpoint: str) -> str:
    """Return the CloudWatch log group with the output of an endpoint's containers."""
    return f"/aws/sagemaker/Endpoints/{endpoint}"
