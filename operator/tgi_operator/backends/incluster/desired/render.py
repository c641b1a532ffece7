"""spec -> the objects of a resource. Pure: the same spec, secrets and image give the same objects and revision."""

from collections.abc import Collection
from dataclasses import dataclass, field

from tgi_operator.api.incluster import AccessMode, Cache, InCluster, Rollout
from tgi_operator.backends import naming
from tgi_operator.backends.incluster.desired import fetch_job, image, names, pod_template, volumes
from tgi_operator.backends.incluster.desired.manifests import content_digest, manifest
from tgi_operator.backends.incluster.desired.strategy import Strategy, count_or_percent
from tgi_operator.backends.incluster.desired.volumes import Volume
from tgi_operator.backends.incluster.kinds import BUDGET, CLAIM, DEPLOYMENT, SERVICE, Object
from tgi_operator.backends.resource import Owner, Resource
from tgi_operator.backends.secret_values import SecretValues

_BESIDE_PODS = ("service", "pod_disruption_budget", "pod_monitor")
"""Fields of `inCluster` that only objects other than pods depend on."""


@dataclass(frozen=True)
class Desired:
    """The desired objects in the cluster. If `replicas` is None, the current count is kept.

    `inputs` is the digest of everything that the template was rendered from, `revision` that of the template itself.
    """

    owner: Owner
    inputs: str
    revision: str
    image: str
    template: Object
    replicas: int | None
    rollout: Rollout | None
    progress_deadline_seconds: int
    service: Object
    budget: Object
    claim: Object | None
    source: fetch_job.Source
    job: Object | None
    secrets: SecretValues = field(repr=False)
    volume: Volume | None = None
    rolled_back_from: str | None = None
    """The revision of the inputs, if it failed. The template is then that of the last revision that served requests."""
    former_inputs: tuple[str, ...] = field(default=(), repr=False)
    """The digests as earlier versions computed them, from the Hub token too."""

    def deployment(self, replicas: int | None, strategy: Strategy) -> Object:
        """Return the Deployment with the replica count and strategy. None leaves the count to another controller."""
        spec = {
            **({} if replicas is None else {"replicas": replicas}),
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": self.progress_deadline_seconds,
            "strategy": strategy.manifest,
            "selector": {"matchLabels": names.selector(self.owner)},
            "template": self.template,
        }
        made = manifest(DEPLOYMENT, self.owner, self.owner.name, spec)
        made["metadata"]["annotations"] = {names.ANNOTATION_INPUTS: self.inputs}
        if self.rolled_back_from is not None:
            made["metadata"]["annotations"][names.ANNOTATION_ROLLED_BACK] = self.rolled_back_from
        return made


def desired(
    resource: Resource,
    target: InCluster,
    secrets: SecretValues,
    fetcher: str,
    running: str | None = None,
    modes: Collection[str] = (),
) -> Desired:
    """Return the desired objects in the cluster for a resource that passed the checks.

    `secrets` are the values that the spec takes from Secrets. `fetcher` is the image that fetches weights. `running` is
    the image that runs, or None if none runs. `modes` are the access modes of the PVC that the spec names, empty if
    unknown.
    """
    spec, owner = resource.spec, resource.owner
    assert spec is not None  # noqa: S101 - it passed the checks
    image_uri = image.image(spec, target, running)
    source = fetch_job.source(owner, spec, target, resource.render_request)
    volume = volumes.volume(owner, spec.model, target, modes)
    template = pod_template.pod_template(owner, spec, target, image_uri, source, volume)
    revision = content_digest(template)
    template["metadata"]["labels"][names.LABEL_REVISION] = revision
    inputs, _ = naming.inputs_digests(resource, SecretValues(), _of_template(target))
    deadline = spec.rollout.progress_deadline_seconds if spec.rollout else None
    return Desired(
        owner=owner,
        inputs=inputs,
        former_inputs=_former_inputs(resource, secrets, target, source),
        revision=revision,
        image=image_uri,
        template=template,
        replicas=spec.replicas,
        rollout=spec.rollout,
        progress_deadline_seconds=deadline or pod_template.startup_seconds(spec, target) + 600,
        service=_service(owner, target),
        budget=_budget(owner, target),
        claim=_claim(owner, target.cache),
        source=source,
        job=fetch_job.job(owner, spec, target, source, fetcher, secrets, volume) if source.offline else None,
        secrets=secrets,
        volume=volume,
    )


def _of_template(target: InCluster) -> InCluster:
    """Return the part of the spec that the pod template depends on. Other objects need no other pods."""
    cache = target.cache.model_copy(update={"size": "0"}) if target.cache is not None and target.cache.size else None
    others: dict[str, object] = {name: InCluster.model_fields[name].get_default() for name in _BESIDE_PODS}
    return target.model_copy(update=others | ({"cache": cache} if cache is not None else {}))


def _former_inputs(
    resource: Resource, secrets: SecretValues, target: InCluster, source: fetch_job.Source
) -> tuple[str, ...]:
    """Return the digests as earlier versions compute them: of all of `inCluster`, and from the Hub token too."""
    inputs = naming.inputs_digests(resource, SecretValues(), target)
    if source.offline or secrets.token is None:
        return inputs
    return (*inputs, *naming.inputs_digests(resource, SecretValues(secrets.token), target))


def url(owner: Owner) -> str:
    """Return the URL of the Service."""
    return f"http://{owner.name}.{owner.namespace}.svc:80"


def _service(owner: Owner, target: InCluster) -> Object:
    ports = [{"name": pod_template.PORT_NAME, "port": 80, "protocol": "TCP", "targetPort": pod_template.PORT_NAME}]
    made = manifest(SERVICE, owner, owner.name, {"selector": names.selector(owner), "ports": ports})
    if target.service.annotations:
        made["metadata"]["annotations"] = dict(target.service.annotations)
    return made


def _budget(owner: Owner, target: InCluster) -> Object:
    given = target.pod_disruption_budget
    return manifest(
        BUDGET,
        owner,
        owner.name,
        {
            "maxUnavailable": count_or_percent(given.max_unavailable) if given else 1,
            # A pod that does not serve must not prevent the drain of a node.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": names.selector(owner)},
        },
    )


def _claim(owner: Owner, cache: Cache | None) -> Object | None:
    if cache is None or cache.size is None:
        return None
    spec: Object = {
        "accessModes": [str(cache.access_mode or AccessMode.READ_WRITE_MANY)],
        "resources": {"requests": {"storage": cache.size}},
    }
    if cache.storage_class_name is not None:
        spec["storageClassName"] = cache.storage_class_name
    # Not owned, because the deletion policy determines whether it is deleted with the resource.
    return manifest(CLAIM, owner, names.claim_name(owner), spec, owned=False)
