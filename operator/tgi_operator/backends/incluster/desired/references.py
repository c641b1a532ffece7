"""The Secrets and service accounts that the pods of a resource use."""

from collections.abc import Iterator, Mapping
from typing import Any

from tgi_operator.api.spec import Spec
from tgi_operator.backends.allowed_use import Reference
from tgi_operator.backends.incluster.desired.render import Desired
from tgi_operator.backends.incluster.desired.restrictions import containers, mapping, mappings

_DEFAULT_ACCOUNT = "default"
_TEMPLATE = "spec.inCluster.podTemplate"
_TOKENS = frozenset({"serviceAccountToken", "podCertificate"})
"""Sources of a projected volume that prove the identity of the service account."""


def references(desired: Desired, spec: Spec) -> tuple[Reference, ...]:
    """Return the objects that pods and Job use, except the Secrets whose values the operator has read and checked."""
    pod = mapping(desired.template.get("spec"))
    job = mapping(desired.job["spec"]["template"]["spec"]) if desired.job is not None else {}
    named = spec.in_cluster.service_account_name if spec.in_cluster is not None else None
    token = () if spec.model.token_secret_ref is None else (spec.model.token_secret_ref,)
    read = {each.name for each in (*token, *spec.runtime.secret_env.values())}
    secrets = (Reference("Secret", name, f"{_TEMPLATE}.{field}") for field, name in _secrets(pod) if name not in read)
    return (*_accounts(job, named), *_accounts(pod, named), *secrets)


def _accounts(pod: Mapping[str, Any], named: str | None) -> Iterator[Reference]:
    """Yield the service account. `default` is allowed if the pod does not have its token."""
    name = str(pod.get("serviceAccountName") or _DEFAULT_ACCOUNT)
    if name != _DEFAULT_ACCOUNT:
        field = "spec.inCluster.serviceAccountName" if name == named else f"{_TEMPLATE}.spec.serviceAccountName"
        yield Reference("ServiceAccount", name, field)
    elif pod and _has_token(pod):
        yield Reference("ServiceAccount", name, f"{_TEMPLATE}.spec.automountServiceAccountToken")


def _has_token(pod: Mapping[str, Any]) -> bool:
    projected = (source.keys() & _TOKENS for _, source in _sources(pod))
    return pod.get("automountServiceAccountToken") is not False or any(projected)


def _sources(pod: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the sources of all projected volumes, each with its field in the pod template."""
    for volume in mappings(pod.get("volumes")):
        for source in mappings(mapping(volume.get("projected")).get("sources")):
            yield f"spec.volumes[{volume.get('name')}].projected", source


def _secrets(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the Secrets and the fields that name them."""
    for field, reference, name in _named(pod):
        found = mapping(reference).get(name)
        if found is not None:
            yield field, str(found)


def _named(pod: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Yield each field that can name a Secret: its path, its value, and the member with the name."""
    for secret in mappings(pod.get("imagePullSecrets")):
        yield "spec.imagePullSecrets", secret, "name"
    for volume in mappings(pod.get("volumes")):
        field = f"spec.volumes[{volume.get('name')}]"
        yield f"{field}.secret", volume.get("secret"), "secretName"
        yield f"{field}.csi.nodePublishSecretRef", mapping(volume.get("csi")).get("nodePublishSecretRef"), "name"
    for field, source in _sources(pod):
        yield f"{field}.secret", source.get("secret"), "name"
    for field, container in containers(pod):
        for each in mappings(container.get("envFrom")):
            yield f"{field}.envFrom", each.get("secretRef"), "name"
        for each in mappings(container.get("env")):
            yield f"{field}.env[{each.get('name')}]", mapping(each.get("valueFrom")).get("secretKeyRef"), "name"
