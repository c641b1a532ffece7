"""EKS, limited to the credentials of pods: one cluster, its add-ons, the associations of Pod Identity, and its agent.

The cluster is the sandbox's own, once the control API has set its name and the issuer of its tokens. The agent answers
under /v1/credentials as it does on a node of EKS, and only if its add-on was created.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from tgi_sandbox.aws import tokens
from tgi_sandbox.aws.errors import AwsError
from tgi_sandbox.aws.identity import DEFAULT_ACCOUNT
from tgi_sandbox.aws.trust import Principal, trusts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import ModuleType

    from starlette.requests import Request
    from starlette.responses import Response

Answer = dict[str, Any]

AGENT: Final = "/v1/credentials"
"""Path of Pod Identity's agent."""

_ADDON: Final = "eks-pod-identity-agent"
_AUDIENCE: Final = "pods.eks.amazonaws.com"
_REGION: Final = "us-east-1"


@dataclass
class Cluster:
    """The state of EKS for the sandbox's cluster; `roles` are keyed by namespace and service account."""

    name: str = ""
    issuer: str = ""
    addons: set[str] = field(default_factory=set)
    roles: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The ARN of the cluster."""
        return f"arn:aws:eks:{_REGION}:{DEFAULT_ACCOUNT}:cluster/{self.name}"

    def reset(self) -> None:
        """Delete the add-ons and associations."""
        self.addons.clear()
        self.roles.clear()


def eks_app(cluster: Cluster, services: Callable[[], Awaitable[ModuleType]]) -> Starlette:
    """The API of EKS over a cluster; `services` returns tgi_sandbox.aws.moto_services."""
    eks = _Eks(cluster)

    async def credentials(request: Request) -> Response:
        try:
            return JSONResponse(_credentials(cluster, request.headers.get("authorization", ""), await services()))
        except AwsError as error:
            return JSONResponse({"code": error.code, "message": error.message}, error.status)

    of_cluster = "/clusters/{cluster}"
    associations = f"{of_cluster}/pod-identity-associations"
    return Starlette(
        routes=[
            Route(AGENT, credentials),
            _route("GET", "/clusters", lambda _path, _given: {"clusters": [cluster.name] if cluster.name else []}),
            _route("GET", of_cluster, eks.describe),
            _route("POST", f"{of_cluster}/addons", eks.create_addon),
            _route("GET", f"{of_cluster}/addons/{{addon}}", eks.describe_addon),
            _route("POST", associations, eks.associate),
            _route("GET", associations, eks.associations),
            _route("DELETE", f"{associations}/{{association}}", eks.dissociate),
        ]
    )


def _route(method: str, path: str, answer: Callable[[Answer, Answer], Answer]) -> Route:
    async def respond(request: Request) -> Response:
        given = await request.json() if await request.body() else dict(request.query_params)
        try:
            return JSONResponse(answer(request.path_params, given))
        except KeyError as error:
            missing = AwsError("InvalidParameterException", f"{error} is missing")
            return JSONResponse({"message": missing.message}, missing.status, {"x-amzn-errortype": missing.code})
        except AwsError as error:
            return JSONResponse({"message": error.message}, error.status, {"x-amzn-errortype": error.code})

    handler: Callable[[Request], Awaitable[Response]] = respond
    return Route(path, handler, methods=[method])


class _Eks:
    """The operations: for each, the parameters in the path, and then those in the body or the query."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def describe(self, path: Answer, _: Answer) -> Answer:
        cluster = self._named(path)
        identity = {"oidc": {"issuer": cluster.issuer}}
        return {"cluster": {"name": cluster.name, "arn": cluster.arn, "status": "ACTIVE", "identity": identity}}

    def create_addon(self, path: Answer, given: Answer) -> Answer:
        cluster, name = self._named(path), given["addonName"]
        if name in cluster.addons:
            raise AwsError("ResourceInUseException", "Addon already exists.", 409)
        cluster.addons.add(name)
        return self._addon(name, "CREATING")

    def describe_addon(self, path: Answer, _: Answer) -> Answer:
        if path["addon"] not in self._named(path).addons:
            raise AwsError("ResourceNotFoundException", f"No addon: {path['addon']} found in cluster", 404)
        return self._addon(path["addon"], "ACTIVE")

    def associate(self, path: Answer, given: Answer) -> Answer:
        cluster = self._named(path)
        account = (given["namespace"], given["serviceAccount"])
        if account in cluster.roles:
            known = _id(account)
            raise AwsError("ResourceInUseException", f"Association already exists: {known}", 409)
        cluster.roles[account] = given["roleArn"]
        return {"association": self._association(account)}

    def associations(self, path: Answer, given: Answer) -> Answer:
        cluster = self._named(path)
        wanted = (given.get("namespace"), given.get("serviceAccount"))
        found = [
            account
            for account in cluster.roles
            if all(want in (None, have) for want, have in zip(wanted, account, strict=True))
        ]
        return {"associations": [self._association(account) for account in found]}

    def dissociate(self, path: Answer, _: Answer) -> Answer:
        cluster = self._named(path)
        account = next((one for one in cluster.roles if _id(one) == path["association"]), None)
        if account is None:
            raise AwsError("ResourceNotFoundException", f"Association {path['association']} not found", 404)
        gone = self._association(account)
        del cluster.roles[account]
        return {"association": gone}

    def _named(self, path: Answer) -> Cluster:
        if not self._cluster.name or path["cluster"] != self._cluster.name:
            raise AwsError("ResourceNotFoundException", f"No cluster found for name: {path['cluster']}.", 404)
        return self._cluster

    def _addon(self, name: str, status: str) -> Answer:
        return {"addon": {"addonName": name, "clusterName": self._cluster.name, "status": status}}

    def _association(self, account: tuple[str, str]) -> Answer:
        name = _id(account)
        return {
            "clusterName": self._cluster.name,
            "namespace": account[0],
            "serviceAccount": account[1],
            "roleArn": self._cluster.roles[account],
            "associationId": name,
            "associationArn": f"{self._cluster.arn.replace(':cluster/', ':podidentityassociation/')}/{name}",
        }


def _id(account: tuple[str, str]) -> str:
    return f"a-{'-'.join(account)}"


def _credentials(cluster: Cluster, token_text: str, services: ModuleType) -> dict[str, str]:
    """Return the agent's answer to a pod's token; the codes are from AssumeRoleForPodIdentity, the texts assumed."""
    if _ADDON not in cluster.addons:
        raise AwsError("ResourceNotFoundException", f"the add-on {_ADDON} is not there", 404)
    try:
        token = tokens.read(token_text)
    except ValueError as error:
        raise AwsError("InvalidTokenException", str(error)) from error
    if _AUDIENCE not in token.audiences or token.issuer != cluster.issuer:
        raise AwsError("InvalidTokenException", f"the token is not for {_AUDIENCE}, or not of this cluster")
    if token.expires < time.time():
        raise AwsError("ExpiredTokenException", "the token is expired")
    role = cluster.roles.get(token.service_account)
    if role is None:
        account = "/".join(token.service_account)
        raise AwsError("ResourceNotFoundException", f"no association for the service account {account}", 404)
    trusted = services.trust_policy(role)
    pod_identity = Principal("Service", _AUDIENCE, {})
    if trusted is None or not trusts(trusted, pod_identity, "sts:AssumeRole", "sts:TagSession"):
        raise AwsError("AccessDeniedException", f"{role} does not let {_AUDIENCE} assume it and tag the session", 403)
    credentials: dict[str, str] = services.session(role, f"eks-{cluster.name}")
    return credentials
