"""The TGI pod."""

from collections.abc import Mapping
from math import ceil

from tgi_operator.api.incluster import InCluster, PodDefault
from tgi_operator.api.spec import Spec
from tgi_operator.backends.incluster.desired import drain, names, placement
from tgi_operator.backends.incluster.desired.fetch_job import DATA, FETCHER_UID, HUB_TOKEN, Source
from tgi_operator.backends.incluster.desired.manifests import literal, variable_from_secret
from tgi_operator.backends.incluster.desired.overlay import overlay
from tgi_operator.backends.incluster.desired.volumes import Volume
from tgi_operator.backends.incluster.kinds import Object
from tgi_operator.backends.resource import Owner
from tgi_operator.engines.tgi import images, launcher_options
from tgi_operator.models import sharding, sizes

PORT = 8080
"""Not 80, because without capabilities not even root can listen on it."""

PORT_NAME = "http"

_CPU_OF_A_GPU = 1
_GIB_OF_A_GPU = 4
"""Memory that TGI needs for each GPU while it loads and serves: Python, CUDA and one file of weights at a time.

A pod with one GPU fits on the smallest usual nodes (g5.xlarge, g6.xlarge: 4 vCPUs, 16 GiB) beside their DaemonSets.
"""

_KEPT_BY_AUTOSCALERS: Mapping[str, str] = {
    "karpenter.sh/do-not-disrupt": "true",
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
}
_SHARED_MEMORY = "1Gi"
_PROBE_SECONDS = 10
_UNKNOWN_SIZE = "50Gi"

_FIELDS: Mapping[PodDefault, str] = {
    PodDefault.LIVENESS_PROBE: "livenessProbe",
    PodDefault.PRE_STOP_HOOK: "lifecycle",
}
"""Defaults that are one field of TGI's container."""

OWN_NAMES = frozenset({"HF_HOME", "HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HOSTNAME"})
"""Environment variables that `runtime.env` must not set, because the volumes determine them."""


def pod_template(
    owner: Owner, spec: Spec, target: InCluster, image: str, source: Source, volume: Volume | None = None
) -> Object:
    """Return the PodTemplateSpec without a revision, with `podTemplate` merged over it.

    It depends on the references to Secrets and not on their values: a running server no longer uses the Hub token, and
    a container that is starting reads the current values.
    """
    labels = names.server_labels(owner) | ({names.LABEL_WEIGHTS: source.identity} if source.has_home else {})
    own: Object = {"labels": labels}
    if target.do_not_disrupt:
        own["annotations"] = dict(_KEPT_BY_AUTOSCALERS)
    pod: Object = {
        # A Service named `prometheus` would set PROMETHEUS_PORT=tcp://…, on which the launcher exits.
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": target.termination_grace_period_seconds,
        "securityContext": {
            "seccompProfile": {"type": "RuntimeDefault"},
            # The Job lets its group write where TGI must convert weights. fsGroup would change the whole volume.
            **({"supplementalGroups": [FETCHER_UID]} if source.converts else {}),
        },
        **placement.placement(spec, target),
        "containers": [_container(spec, target, image, source)],
        "volumes": [*source.served_volumes, *_shared_memory(target)],
    }
    if spread := placement.spread(owner, target):
        pod["topologySpreadConstraints"] = spread
    for field in ("priority_class_name", "runtime_class_name", "service_account_name"):
        value = getattr(target, field)
        if value is not None:
            pod[str(InCluster.model_fields[field].alias)] = value
    changes = (
        target.pod_template.model_dump(mode="json", by_alias=True, exclude_none=True) if target.pod_template else {}
    )
    template: Object = overlay({"metadata": own, "spec": pod}, changes)
    _request_defaults(template["spec"], spec, target)
    placement.require_products(template["spec"], target)
    placement.bind_to_volume(template["metadata"], template["spec"], volume)
    account = template["spec"].get("serviceAccountName")
    if account is not None:
        # The API server mirrors the name to this deprecated field, and from there restores a name that is removed.
        template["spec"]["serviceAccount"] = account
    # Without its own labels, the pod would not match the Deployment.
    template["metadata"]["labels"] |= labels
    return template


def environment(spec: Spec, target: InCluster, image: str, source: Source) -> dict[str, str]:
    """Return the environment variables of TGI's container, except those from Secrets."""
    shards = spec.runtime.num_shard or sharding.default_shards(spec.model, target.gpu.count)
    own = {
        "MODEL_ID": source.model_id,
        "NUM_SHARD": str(shards),
        "PORT": str(PORT),
        # TGI's launcher looks for the cache in HF_HOME, its router and its server in the other variable.
        "HF_HOME": source.home,
        "HUGGINGFACE_HUB_CACHE": f"{source.home}/hub",
    }
    if spec.model.revision is not None:
        own["REVISION"] = spec.model.revision
    if source.offline:
        # Without it, TGI sends requests to the Hub at every start, even if all weights are present.
        own["HF_HUB_OFFLINE"] = "1"
    # transformers writes the code of models below HF_HOME, which is read-only if a Job made it.
    defaults = {"USAGE_STATS": "off"} | ({"HF_MODULES_CACHE": f"{DATA}/modules"} if source.has_home else {})
    return defaults | launcher_options.options(spec.runtime, images.tgi_version(image)) | own


def startup_seconds(spec: Spec, target: InCluster) -> int:
    """Return how long a container can take to load the model and answer."""
    return target.startup_timeout_seconds or sizes.startup_seconds(spec.model.uri)


def _container(spec: Spec, target: InCluster, image: str, source: Source) -> Object:
    given = environment(spec, target, image, source)
    # A variable from a Secret replaces a default of the same name.
    variables = {name: value for name, value in given.items() if name not in spec.runtime.secret_env}
    graceful = int(variables.get("GRACEFUL_TERMINATION_TIMEOUT", drain.TGI_GRACEFUL_SECONDS))
    longest = drain.seconds(target.termination_grace_period_seconds, graceful)
    token = {HUB_TOKEN: spec.model.token_secret_ref} if spec.model.token_secret_ref and not source.offline else {}
    secret = [variable_from_secret(name, found) for name, found in (token | spec.runtime.secret_env).items()]
    mounts = [{"name": each["name"], "mountPath": "/dev/shm"} for each in _shared_memory(target)]  # noqa: S108 - the container's own
    container: Object = {
        "name": names.CONTAINER,
        "image": image,
        "env": [*({"name": name, "value": literal(variables[name])} for name in sorted(variables)), *secret],
        "ports": [{"name": PORT_NAME, "containerPort": PORT, "protocol": "TCP"}],
        "resources": _resources(target),
        "volumeMounts": [*source.served_mounts, *mounts],
        "startupProbe": _probe(_PROBE_SECONDS, ceil(startup_seconds(spec, target) / _PROBE_SECONDS)),
        "readinessProbe": _probe(5, 3),
        "livenessProbe": _probe(_PROBE_SECONDS, 6),
        "lifecycle": {"preStop": {"exec": {"command": drain.command(longest)}}},
        # The status of the pod, and that of the resource, then contain the last lines of the log.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        # Root, as in the image: since TGI 3.1, its Python is below /root (TGI issue 3082). Without any capability.
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    omitted = {_FIELDS[each] for each in target.omit_defaults if each in _FIELDS}
    return {name: value for name, value in container.items() if name not in omitted}


def _probe(period: int, failures: int) -> Object:
    request = {"path": "/health", "port": PORT_NAME}
    return {"httpGet": request, "periodSeconds": period, "failureThreshold": failures, "timeoutSeconds": 5}


def _resources(target: InCluster) -> Object:
    gpus = {target.gpu.resource_name: str(target.gpu.count)} if target.requested_gpus else {}
    return {"requests": dict(target.resources.requests) | gpus, "limits": dict(target.resources.limits) | gpus}


def _request_defaults(pod: Object, spec: Spec, target: InCluster) -> None:
    """Add the default requests of TGI's container. Kubernetes itself sets the request of a resource with a limit.

    This is done after the merge, because a request above a limit in `podTemplate` would be invalid.
    """
    shares = max(target.requested_gpus, 1)
    defaults = {"cpu": str(shares * _CPU_OF_A_GPU), "memory": f"{shares * _GIB_OF_A_GPU}Gi"}
    if target.cache is None and spec.model.claim is None:
        defaults["ephemeral-storage"] = _download_size(spec.model.uri)
    (resources,) = (each["resources"] for each in pod["containers"] if each["name"] == names.CONTAINER)
    limits, requests = resources["limits"], resources["requests"]
    missing = {name: value for name, value in defaults.items() if name not in limits}
    resources["requests"] = missing | requests


def _download_size(uri: str) -> str:
    """Return the storage that the weights need on the node: the size from the name, plus a fifth of it, plus 10 GiB."""
    billions = sizes.billions_of_parameters(uri)
    if billions is None:
        return _UNKNOWN_SIZE
    return f"{ceil(billions * sizes.BYTES_PER_PARAMETER * 1.2) + 10}Gi"


def _shared_memory(target: InCluster) -> list[Object]:
    """Return the volume of /dev/shm, or no volume if it is removed."""
    if PodDefault.SHARED_MEMORY in target.omit_defaults:
        return []
    return [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": target.shared_memory_size or _SHARED_MEMORY}}]
