"""The additions of the EKS webhooks to a pod whose service account has an AWS role, by IRSA or by Pod Identity."""

import json
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tgi_sandbox.cluster.components import EKS_CLUSTER

_STS, _PODS = "sts.amazonaws.com", "pods.eks.amazonaws.com"
_ROLE = "eks.amazonaws.com/role-arn"
_REGION = {"AWS_REGION": "us-east-1"}
_TIMEOUT_SECONDS = 10.0


def injected(aws: str, account: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Return variables, and for each variable that names a token file, the audience of the token.

    `aws` is the address of the AWS emulator, `account` the service account. Raises OSError if the emulator is not
    reachable.
    """
    metadata = account["metadata"]
    variables: dict[str, str] = {}
    audiences: dict[str, str] = {}
    role = metadata.get("annotations", {}).get(_ROLE)
    if role is not None:
        variables |= {"AWS_ROLE_ARN": role, **_REGION}
        audiences["AWS_WEB_IDENTITY_TOKEN_FILE"] = _STS
    if _is_associated(aws, metadata["namespace"], metadata["name"]):
        variables |= {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{aws}/v1/credentials", **_REGION}
        audiences["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = _PODS
    return variables, audiences


def _is_associated(aws: str, namespace: str, account: str) -> bool:
    query = urlencode({"namespace": namespace, "serviceAccount": account})
    url = f"{aws}/clusters/{EKS_CLUSTER}/pod-identity-associations?{query}"
    # The emulator reads only the service from a signature.
    scope = "AWS4-HMAC-SHA256 Credential=sandbox/20260101/us-east-1/eks/aws4_request"
    request = urllib.request.Request(url, headers={"Authorization": scope})  # noqa: S310 - http on loopback
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - as above
        return bool(json.load(answer)["associations"])
