"""Sources of the weights, and the Job that fetches them onto a PVC once."""

import json
import re
from dataclasses import dataclass

from tgi_operator.api.incluster import InCluster
from tgi_operator.api.spec import HF_SCHEME, S3_SCHEME, EnvVar, Model, Spec
from tgi_operator.backends.incluster.desired import names, placement
from tgi_operator.backends.incluster.desired.manifests import literal, manifest, variable_from_secret
from tgi_operator.backends.incluster.desired.volumes import Volume
from tgi_operator.backends.incluster.kinds import JOB, Object
from tgi_operator.backends.incluster.seen.pods import FETCHER
from tgi_operator.backends.resource import Owner
from tgi_operator.backends.secret_values import SecretValues
from tgi_operator.exit_codes import ExitCode

DATA = "/data"
"""Mount path of the cache: HF_HOME of TGI's images."""

HUB_CACHE = f"{DATA}/hub"
_MODELS = "/models"
_SCRATCH = "scratch"

FETCHER_UID = 65532
"""User of the operator's image."""

_SHARED = re.compile(
    r"HF_ENDPOINT|AWS_\w+|(HTTP|HTTPS|NO|ALL)_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE",
    re.IGNORECASE,
)
"""Variables of `runtime.env` that the download of the weights needs, for the Job as well as for the pods."""

_READ_ONLY_SOURCES = frozenset({"configMap", "secret", "projected"})
"""Volumes of `podTemplate` that the Job also has, such as those with CA bundles."""

HUB_TOKEN = "HF_TOKEN"  # noqa: S105 - the name of a variable

_METADATA_DISABLED = "AWS_EC2_METADATA_DISABLED"

_TRIES = 4
_LONGEST_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Source:
    """How pods get the weights: the model as TGI's MODEL_ID, and the volumes.

    `fetch` is the source that the Job fetches and its target folder, if there is a Job. The pods then do not need the
    Hub. `volumes` and `mounts` are those of the Job. TGI pods have `served_volumes` and `served_mounts`.
    """

    model_id: str
    volumes: tuple[Object, ...]
    mounts: tuple[Object, ...]
    fetch: tuple[str, str] | None = None
    read_only: tuple[Object, ...] = ()
    """Mounts in place of `mounts` for pods that only read the PVC."""

    @property
    def offline(self) -> bool:
        """Whether a PVC has everything that the pods need."""
        return self.fetch is not None

    @property
    def served_volumes(self) -> tuple[Object, ...]:
        """Volumes of the serving pods. If TGI only reads the PVC, it writes to another volume."""
        return (*self.volumes, {"name": _SCRATCH, "emptyDir": {}}) if self.read_only else self.volumes

    @property
    def served_mounts(self) -> tuple[Object, ...]:
        """Mounts of the serving pods."""
        return self.read_only or self.mounts


def source(owner: Owner, model: Model, target: InCluster) -> Source:
    """Return how pods of `target` get the weights of `model`."""
    mount: Object = {"name": "data", "mountPath": DATA}
    if model.claim is not None:
        name, folder = model.claim
        claim = _claim_volume("model", name, read_only=True)
        path = f"{_MODELS}/{folder}".rstrip("/")
        mounts = (mount, {"name": "model", "mountPath": _MODELS, "readOnly": True})
        return Source(path, ({"name": "data", "emptyDir": {}}, claim), mounts, (f"file://{path}", path))
    if target.cache is None:
        return Source(model.hub_id, ({"name": "data", "emptyDir": {}},), (mount,))
    if target.cache.sub_path is not None:
        mount["subPath"] = target.cache.sub_path
    volume = _claim_volume("data", target.cache.claim_name or names.claim_name(owner), read_only=False)
    # TGI writes converted pickle files next to the originals, and only reads safetensors.
    read_only = () if model.allow_pickle else _read_only(mount, "s3" if model.uri.startswith(S3_SCHEME) else "hub")
    if model.uri.startswith(S3_SCHEME):
        path = f"{DATA}/s3/{model.uri.removeprefix(S3_SCHEME)}".rstrip("/")
        return Source(path, (volume,), (mount,), (model.uri, path), read_only)
    return Source(model.hub_id, (volume,), (mount,), (model.uri, HUB_CACHE), read_only)


def _read_only(mount: Object, folder: str) -> tuple[Object, ...]:
    """Return mounts with `folder` of the Job's volume read-only, and the rest of /data on a volume of the pod."""
    path = "/".join(part for part in (mount.get("subPath"), folder) if part)
    weights = {"name": mount["name"], "mountPath": f"{DATA}/{folder}", "subPath": path, "readOnly": True}
    return ({"name": _SCRATCH, "mountPath": DATA}, weights)


def _claim_volume(volume: str, claim: str, *, read_only: bool) -> Object:
    reference: Object = {"claimName": claim}
    return {"name": volume, "persistentVolumeClaim": reference | ({"readOnly": True} if read_only else {})}


def job(
    owner: Owner,
    spec: Spec,
    target: InCluster,
    found: Source,
    image: str,
    secrets: SecretValues,
    volume: Volume | None = None,
) -> Object:
    """Return the Job that fetches the weights, or checks them for a pvc:// URI.

    Its name depends on what it fetches and where: another source, revision or PVC is another Job. The rest of its
    input, such as tolerations or the values of Secrets, makes another manifest with the same name.
    """
    assert found.fetch is not None  # noqa: S101 - only called with a source to fetch or check
    model = spec.model
    uri, folder = found.fetch
    on_hub = uri.startswith(HF_SCHEME)
    shared = [each for each in spec.runtime.env if _SHARED.fullmatch(each.name) and each.name != _METADATA_DISABLED]
    hub = [each.value or _variable(each)["valueFrom"] for each in shared if each.name == "HF_ENDPOINT"]
    options = ["--allow-pickle"] if model.allow_pickle else []
    what = json.dumps([uri, folder, model.revision, hub, found.volumes, found.mounts, *options], sort_keys=True)
    arguments = ["fetch", uri, folder, *(["--revision", model.revision] if model.revision else []), *options]
    container: Object = {
        "name": FETCHER,
        "image": image,
        "command": ["tgi-operator"],
        "args": [literal(argument) for argument in arguments],
        "env": [
            *map(_variable, shared),
            # Without a service account that has a role, the Job must not use the permissions of the node.
            {"name": _METADATA_DISABLED, "value": "true"},
            *([variable_from_secret(HUB_TOKEN, model.token_secret_ref)] if on_hub and model.token_secret_ref else []),
        ],
        "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
        "volumeMounts": [*found.mounts, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the container's own
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod: Object = {
        "restartPolicy": "Never",
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "containers": [container],
        "volumes": [*found.volumes, {"name": "tmp", "emptyDir": {}}],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": FETCHER_UID,
            "runAsGroup": FETCHER_UID,
            "fsGroup": FETCHER_UID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    if target.service_account_name is not None:
        pod["serviceAccountName"] = target.service_account_name
    pod |= placement.requested(target)
    if volume is not None and volume.of_one_node:
        # The volume is provisioned where its first pod runs, which must be a node with the GPUs.
        pod |= placement.placement(spec, target)
        placement.require_products(pod, target)
    metadata: Object = {"labels": names.weights_labels(owner)}
    if target.pod_template is not None:
        _add_changes(metadata, pod, target.pod_template.model_dump(mode="json", by_alias=True, exclude_none=True))
    placement.bind_to_volume(metadata, pod, volume)
    # A pod that a drain, an autoscaler or a spot interruption ends is not a failure of the download.
    drained = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    lasting = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [int(ExitCode.LASTING)]}}
    job_spec = {
        "backoffLimit": _TRIES,
        "activeDeadlineSeconds": _LONGEST_SECONDS,
        "podFailurePolicy": {"rules": [drained, lasting]},
        "template": {"metadata": metadata, "spec": pod},
    }
    made = manifest(JOB, owner, names.job_name(owner, what), job_spec)
    fingerprints = {
        names.ANNOTATION_TOKEN: secrets.token.fingerprint if secrets.token is not None and on_hub else None,
        names.ANNOTATION_SECRETS: secrets.env_fingerprint([each.name for each in shared]),
    }
    known = {name: fingerprint for name, fingerprint in fingerprints.items() if fingerprint is not None}
    if known:
        made["metadata"]["annotations"] = known
    return made


def _variable(given: EnvVar) -> Object:
    if given.value_from is not None:
        return variable_from_secret(given.name, given.value_from.secret_key_ref)
    return {"name": given.name, "value": literal(given.value or "")}


def _add_changes(metadata: Object, pod: Object, changes: Object) -> None:
    """Add the parts of `podTemplate` that the Job needs to run where and as the pods do.

    They are labels and annotations, image pull Secrets, and the configuration that TGI's container mounts.
    """
    given = changes.get("metadata", {})
    metadata["labels"] = given.get("labels", {}) | metadata["labels"]
    if given.get("annotations"):
        metadata["annotations"] = given["annotations"]
    spec = changes.get("spec", {})
    if spec.get("imagePullSecrets"):
        pod["imagePullSecrets"] = spec["imagePullSecrets"]
    own = {each["name"] for each in pod["volumes"]}
    volumes = {
        each["name"]: each
        for each in spec.get("volumes", ())
        if _READ_ONLY_SOURCES & each.keys() and each["name"] not in own
    }
    server: Object = next((each for each in spec.get("containers", ()) if each["name"] == names.CONTAINER), {})
    mounts = [each for each in server.get("volumeMounts", ()) if each["name"] in volumes]
    mounted = {each["name"] for each in mounts}
    pod["volumes"] += [volume for name, volume in volumes.items() if name in mounted]
    pod["containers"][0]["volumeMounts"] += mounts
