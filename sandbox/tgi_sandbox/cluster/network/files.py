"""The inputs that a kubelet prepares for an operator's container: variables, files of volumes, and the pod's tokens."""

import base64
from pathlib import Path
from typing import Any

from tgi_sandbox.cluster.api import ApiError, ApiServer
from tgi_sandbox.cluster.credentials import write_kubeconfig, write_private
from tgi_sandbox.cluster.layout import Layout
from tgi_sandbox.cluster.network import eks
from tgi_sandbox.cluster.network.pod import Container, Pod
from tgi_sandbox.cluster.network.tunnels import UnreachableError

# Longer than the lifetime of a sandbox: no token is renewed.
_TOKEN_SECONDS = 7 * 86_400


class PodFiles:
    """Reads the objects that pods refer to, and writes their files; `aws` is the AWS emulator's address, or none."""

    def __init__(self, api: ApiServer, layout: Layout, aws: str | None) -> None:
        self._api = api
        self._layout = layout
        self._aws = aws

    def value(self, kind: str, pod: Pod, name: str, key: str) -> str:
        """Return the value of a key in one of the `secrets` or `configmaps`; raises UnreachableError."""
        try:
            return self._data(kind, pod, name)[key]
        except KeyError as error:
            raise UnreachableError(f"{kind} {name} in namespace {pod.namespace} has no {key} key") from error

    def environment(self, pod: Pod, container: Container) -> dict[str, str]:
        """Return the variables of a container of the operator, after writing the files that they name.

        Raises UnreachableError if one of their sources is missing.
        """
        try:
            return self._environment(pod, container)
        except (ApiError, OSError) as error:
            raise UnreachableError(f"pod {pod.name} cannot get its files: {error}") from error

    def _environment(self, pod: Pod, container: Container) -> dict[str, str]:
        folder = self._layout.pod(pod.uid)
        folder.mkdir(parents=True, exist_ok=True)
        kubeconfig = folder / "kubeconfig"
        authority = self._layout.certificate_authority.read_text()
        write_kubeconfig(kubeconfig, self._api.url, authority, self._token(pod))
        cluster = {
            # A process shares this machine's files. The client must not read the user's configuration, and finds no pod
            # token at its default path.
            "HOME": str(folder),
            "KUBECONFIG": str(kubeconfig),
            "TGI_OPERATOR_LEADER_ELECTION_NAMESPACE": pod.namespace,
        }
        mounted = self._mount(pod, container, folder)
        given = {name: _moved(value, mounted) for name, value in self._variables(pod, container).items()}
        return cluster | self._of_aws(pod, folder) | given

    def _variables(self, pod: Pod, container: Container) -> dict[str, str]:
        found: dict[str, str] = {}
        for source in container.spec.get("envFrom", []):
            for field, kind in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
                if field in source:
                    data = self._data(kind, pod, source[field]["name"])
                    found |= {source.get("prefix", "") + key: value for key, value in data.items()}
        for variable in container.spec.get("env", []):
            found[variable["name"]] = self._variable(pod, variable)
        return found

    def _variable(self, pod: Pod, variable: dict[str, Any]) -> str:
        source = variable.get("valueFrom", {})
        for field, kind in (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets")):
            if field in source:
                return self.value(kind, pod, source[field]["name"], source[field]["key"])
        return str(variable.get("value", ""))

    def _mount(self, pod: Pod, container: Container, folder: Path) -> dict[str, Path]:
        """Write the files of ConfigMaps; return the path on this machine for each path in the container."""
        volumes = {volume["name"]: volume for volume in pod.data["spec"].get("volumes", [])}
        mounted = {}
        for mount in container.spec.get("volumeMounts", []):
            source = volumes[mount["name"]].get("configMap")
            if source is not None:
                target = mounted[mount["mountPath"]] = folder / "volumes" / mount["name"]
                target.mkdir(parents=True, exist_ok=True)
                for key, text in self._data("configmaps", pod, source["name"]).items():
                    (target / key).write_text(text)
        return mounted

    def _of_aws(self, pod: Pod, folder: Path) -> dict[str, str]:
        if self._aws is None:
            return {}
        name = pod.data["spec"]["serviceAccountName"]
        account = self._api.request("GET", f"/api/v1/namespaces/{pod.namespace}/serviceaccounts/{name}")
        variables, audiences = eks.injected(self._aws, account)
        for variable, audience in audiences.items():
            token = folder / variable.lower()
            write_private(token, self._token(pod, audience))
            variables[variable] = str(token)
        return {"AWS_ENDPOINT_URL": self._aws, "AWS_EC2_METADATA_DISABLED": "true"} | variables

    def _token(self, pod: Pod, audience: str | None = None) -> str:
        account = pod.data["spec"]["serviceAccountName"]
        audiences = [audience] if audience else []
        spec = {"audiences": audiences, "expirationSeconds": _TOKEN_SECONDS}
        path = f"/api/v1/namespaces/{pod.namespace}/serviceaccounts/{account}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return str(self._api.request("POST", path, body)["status"]["token"])

    def _data(self, kind: str, pod: Pod, name: str) -> dict[str, str]:
        try:
            data = self._api.request("GET", f"/api/v1/namespaces/{pod.namespace}/{kind}/{name}").get("data") or {}
        except ApiError as error:
            raise UnreachableError(f"{kind} {name} in namespace {pod.namespace} cannot be read: {error}") from error
        if kind == "secrets":
            return {key: base64.b64decode(value).decode() for key, value in data.items()}
        return {key: str(value) for key, value in data.items()}


def _moved(value: str, mounted: dict[str, Path]) -> str:
    """Return the path on this machine for a path within a mounted folder, and any other value unchanged."""
    for path, folder in mounted.items():
        if value == path or value.startswith(f"{path}/"):
            return f"{folder}{value.removeprefix(path)}"
    return value
