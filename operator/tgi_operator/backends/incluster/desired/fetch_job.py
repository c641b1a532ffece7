"""Sources of the weights, and the Job that fetches them onto a PVC once."""

import copy
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tgi_operator.api.incluster import InCluster
from tgi_operator.api.spec import S3_SCHEME, EnvVar, Model, Spec
from tgi_operator.backends.incluster.desired import names, placement
from tgi_operator.backends.incluster.desired.manifests import literal, manifest, variable_from_secret
from tgi_operator.backends.incluster.desired.volumes import Volume
from tgi_operator.backends.incluster.kinds import JOB, Object
from tgi_operator.backends.incluster.seen.pods import FETCHER
from tgi_operator.backends.resource import Owner
from tgi_operator.backends.secret_values import SecretValues
from tgi_operator.engines.tgi import adapters, launcher_options
from tgi_operator.exit_codes import ExitCode

DATA = "/data"
"""Mount path of the cache: HF_HOME of TGI's images."""

HUB_CACHE = f"{DATA}/hub"
_HOMES = "tgi"
"""Folder in the cache for the homes of all resources: HOMES of weights/home.py, which the operator never imports."""

_MODELS = "/models"
_SCRATCH = "scratch"
_COMMIT = re.compile(r"[0-9a-f]{40}")

FETCHER_UID = 65532
"""User and group of the operator's image."""

_SHARED = re.compile(
    r"HF_ENDPOINT|AWS_\w+|(HTTP|HTTPS|NO|ALL)_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE",
    re.IGNORECASE,
)
"""Variables of `runtime.env` that the download of the weights needs, for the Job as well as for the pods."""

_S3_ENDPOINTS = frozenset({"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"})
"""Variables that determine where boto3 looks for a bucket."""

_READ_ONLY_SOURCES = frozenset({"configMap", "secret", "projected"})
"""Volumes of `podTemplate` that the Job also has, such as those with CA bundles."""

HUB_TOKEN = "HF_TOKEN"  # noqa: S105 - the name of a variable

_METADATA_DISABLED = "AWS_EC2_METADATA_DISABLED"

_TRIES = 4
_LONGEST_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Source:
    """How pods get the weights: the model as TGI's MODEL_ID, and the volumes.

    `arguments` are those of the Job that fetches or checks the weights, empty if there is no Job. `volumes` and
    `mounts` are those of the Job. TGI pods have `served_volumes` and `served_mounts`.
    """

    model_id: str
    volumes: tuple[Object, ...]
    mounts: tuple[Object, ...]
    arguments: tuple[str, ...] = ()
    identity: str = ""
    """The digest of everything that determines what is fetched and where: the tail of the Job's name."""
    home: str = DATA
    """HF_HOME of the pods: for a model on the Hub, a folder with only the commits of this identity."""
    served: tuple[Object, ...] = ()
    """Mounts of the serving pods in place of `mounts`."""
    converts: bool = False
    """Whether TGI may have to convert pickle files next to the originals."""

    @property
    def offline(self) -> bool:
        """Whether a PVC has everything that the pods need."""
        return bool(self.arguments)

    @property
    def has_home(self) -> bool:
        """Whether the Job makes a home for the pods."""
        return self.home != DATA

    @property
    def served_volumes(self) -> tuple[Object, ...]:
        """Volumes of the serving pods. TGI writes everything but weights to a volume of the pod."""
        return (*self.volumes, {"name": _SCRATCH, "emptyDir": {}}) if self.served else self.volumes

    @property
    def served_mounts(self) -> tuple[Object, ...]:
        """Mounts of the serving pods."""
        return self.served or self.mounts


def model_folder(model: Model) -> str:
    """Return the folder of a model that is not on the Hub, as pods see it."""
    if model.claim is not None:
        return f"{_MODELS}/{model.claim[1]}".rstrip("/")
    return f"{DATA}/s3/{model.uri.removeprefix(S3_SCHEME)}".rstrip("/")


def source(owner: Owner, spec: Spec, target: InCluster, render_request: str = "") -> Source:
    """Return how pods of `target` get the weights of the model."""
    model = spec.model
    mount: Object = {"name": "data", "mountPath": DATA}
    if model.claim is not None:
        volumes: tuple[Object, ...] = (
            {"name": "data", "emptyDir": {}},
            _claim_volume("model", model.claim[0], read_only=True),
        )
        path = model_folder(model)
        mounts = (mount, {"name": "model", "mountPath": _MODELS, "readOnly": True})
        uri = f"file://{path}"
        identity = _identity(owner, spec, uri, path, volumes, mounts)
        return Source(path, volumes, mounts, ("fetch", uri, path, *_options(spec)), identity)
    if target.cache is None:
        return Source(model.hub_id, ({"name": "data", "emptyDir": {}},), (mount,))
    if target.cache.sub_path is not None:
        mount["subPath"] = target.cache.sub_path
    volumes = (_claim_volume("data", target.cache.claim_name or names.claim_name(owner), read_only=False),)
    converts = bool(model.allow_pickle)
    if not model.on_hub:
        path = model_folder(model)
        identity = _identity(owner, spec, model.uri, path, volumes, (mount,))
        arguments = ("fetch", model.uri, path, *_options(spec))
        served = _served(mount, "s3", writable=converts)
        return Source(path, volumes, (mount,), arguments, identity, served=served, converts=converts)
    more = [*_adapters(spec), *_options(spec)]
    # A new rendering takes the newest commit of a branch. A commit never changes.
    request = [] if _COMMIT.fullmatch(model.revision or "") else [render_request]
    identity = _identity(owner, spec, model.uri, HUB_CACHE, volumes, (mount,), "--home", *more, *filter(None, request))
    home = f"{names.home_of(owner)}/{identity}"
    revision = ("--revision", model.revision) if model.revision else ()
    return Source(
        model.hub_id,
        volumes,
        (mount,),
        ("fetch", model.uri, HUB_CACHE, *revision, *more, "--home", home),
        identity,
        f"{HUB_CACHE}/{_HOMES}/{home}",
        _served(mount, "hub", writable=converts),
        converts,
    )


def _identity(
    owner: Owner,
    spec: Spec,
    uri: str,
    folder: str,
    volumes: Sequence[Object],
    mounts: Sequence[Object],
    *more: str,
) -> str:
    """Return the digest of what is fetched and where. Another digest means another Job, so this stays as it is."""
    hub = [_value(each) for each in spec.runtime.env if each.name == "HF_ENDPOINT"]
    # For hf://, `more` repeats this option. It stays here too, because without it, every digest would change.
    options = ["--allow-pickle"] if spec.model.allow_pickle else []
    what: list[Any] = [uri, folder, spec.model.revision, hub, volumes, mounts, *options, *more]
    if uri.startswith(S3_SCHEME):
        # Without them, the digest is that of earlier versions.
        given = {each.name: _value(each) for each in spec.runtime.env if each.name in _S3_ENDPOINTS}
        what += [{name: value} for name, value in sorted(given.items())]
    return names.weights_identity(owner, json.dumps(what, sort_keys=True))


def _value(given: EnvVar) -> Any:
    """Return the value of a variable, or the reference to it."""
    return given.value or _variable(given)["valueFrom"]


def _adapters(spec: Spec) -> Iterator[str]:
    for adapter in adapters.on_hub(launcher_options.given(spec.runtime, "LORA_ADAPTERS")):
        yield from ("--adapter", adapter)


def _options(spec: Spec) -> Iterator[str]:
    if spec.model.allow_pickle:
        yield "--allow-pickle"
    if spec.runtime.trust_remote_code:
        yield "--trust-remote-code"


def _served(mount: Object, folder: str, *, writable: bool) -> tuple[Object, ...]:
    """Return mounts with `folder` of the Job's volume, and the rest of /data on a volume of the pod."""
    path = "/".join(part for part in (mount.get("subPath"), folder) if part)
    weights = {"name": mount["name"], "mountPath": f"{DATA}/{folder}", "subPath": path}
    return ({"name": _SCRATCH, "mountPath": DATA}, weights | ({} if writable else {"readOnly": True}))


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
    model = spec.model
    shared = [each for each in spec.runtime.env if _SHARED.fullmatch(each.name) and each.name != _METADATA_DISABLED]
    container: Object = {
        "name": FETCHER,
        "image": image,
        "command": ["tgi-operator"],
        "args": [literal(argument) for argument in found.arguments],
        "env": [
            *map(_variable, shared),
            # Without a service account that has a role, the Job must not use the permissions of the node.
            {"name": _METADATA_DISABLED, "value": "true"},
            *(
                [variable_from_secret(HUB_TOKEN, model.token_secret_ref)]
                if model.on_hub and model.token_secret_ref
                else []
            ),
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
    made = manifest(JOB, owner, names.job_name(owner, found.identity), job_spec)
    fingerprints = {
        names.ANNOTATION_TOKEN: secrets.token.fingerprint if secrets.token is not None and model.on_hub else None,
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


def keeping(job: Object, identities: Iterable[str]) -> Object:
    """Return the Job with the identities of other revisions of the resource, whose weights it must not remove."""
    given = _arguments(job)
    if made_home(job) is None:
        return job
    own = names.identity_of(job)
    return _with_arguments(
        job, [*given, *(option for each in sorted({*identities} - {own}) for option in ("--keep", each))]
    )


def kept(job: Object) -> set[str]:
    """Return the identities that a Job keeps."""
    return {value for option, value in pairwise(_arguments(job)) if option == "--keep"}


def made_home(job: Object) -> str | None:
    """Return the name of the home that a Job makes, or None if it makes none.

    The name of the Job does not determine it: a Job can fill the home of pods that another version of the operator
    rendered, or of a deleted resource with the same name.
    """
    return next((value for option, value in pairwise(_arguments(job)) if option == "--home"), None)


def filling(job: Object, home: str) -> Object:
    """Return the Job for pods that another version of the operator rendered with this HF_HOME."""
    given = _arguments(job)
    if made_home(job) is None:
        return job
    at = given.index("--home")
    name = home.removeprefix(f"{HUB_CACHE}/{_HOMES}/")
    return _with_arguments(job, [*given[:at], *([] if name == home else ["--home", name]), *given[at + 2 :]])


def _arguments(job: Object) -> list[str]:
    return list(_fetcher(job).get("args", ()))


def _with_arguments(job: Object, arguments: list[str]) -> Object:
    made = copy.deepcopy(job)
    _fetcher(made)["args"] = arguments
    return made


def _fetcher(job: Object) -> Object:
    """Return the container that fetches. An admission webhook can add other containers to a Job."""
    containers: list[Object] = job["spec"]["template"]["spec"]["containers"]
    return next((each for each in containers if each["name"] == FETCHER), {})


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
