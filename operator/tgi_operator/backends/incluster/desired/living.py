"""The desired state for a live Deployment: a template that another version of the operator rendered stays.

The revision is the digest of the template, and the annotation on the Deployment is the digest of the inputs.

| revision    | inputs    | the template is                                                          |
|-------------|-----------|--------------------------------------------------------------------------|
| as rendered | any       | the rendered one: changes by others are reverted, and no pod is replaced |
| different   | the same  | the live one: another version of the operator rendered it, or a rollback |
| different   | different | the rendered one: the spec has changed, or a new rendering is requested  |

Changes by others to a template that stays look like part of its rendering. The next rendering reverts them.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

from tgi_operator.api.incluster import InCluster
from tgi_operator.backends import naming
from tgi_operator.backends.incluster.desired import fetch_job, names, render
from tgi_operator.backends.incluster.desired.render import Desired
from tgi_operator.backends.incluster.kinds import Object, is_true
from tgi_operator.backends.resource import Resource
from tgi_operator.backends.secret_values import SecretValues


def desired(
    resource: Resource,
    target: InCluster,
    secrets: SecretValues,
    fetcher: str,
    deployment: Object | None,
    jobs: Collection[Object] = (),
    servers: Collection[Object] = (),
    modes: Collection[str] = (),
) -> Desired:
    """Return the desired objects for the live `deployment`, `jobs` and `servers`. See render.desired."""
    rendered = _desired(resource, target, secrets, fetcher, deployment, jobs, servers, modes)
    return replace(rendered, job=_keeping(rendered, deployment, jobs, servers))


def _desired(
    resource: Resource,
    target: InCluster,
    secrets: SecretValues,
    fetcher: str,
    deployment: Object | None,
    jobs: Iterable[Object],
    servers: Iterable[Object],
    modes: Collection[str],
) -> Desired:
    if deployment is None:
        return render.desired(resource, target, secrets, fetcher, modes=modes)
    template: Object = deployment["spec"]["template"]
    revision = names.revision(template)
    rendered = render.desired(resource, target, secrets, fetcher, resource.status.image, modes)
    if rendered.revision == revision:
        # The revision of the Deployment proves the image that the status remembers.
        return rendered
    # An unnamed version keeps the image that runs, unless `podTemplate` names one.
    named = _image(rendered.template) != rendered.image
    running = None if named else _running(_image(template), resource.status.image, servers)
    rendered = render.desired(resource, target, secrets, fetcher, running, modes)
    # A label that cannot be a revision was changed by another user.
    if revision is None or revision == rendered.revision or not naming.is_revision(revision):
        return rendered
    image = _image(template) if _image(rendered.template) == rendered.image else None
    if _inputs(deployment) not in _same_inputs(rendered, resource, secrets, target, template):
        return rendered
    failed = _rolled_back_from(deployment, resource)
    if failed is not None and resource.requested:
        return rendered
    return replace(
        rendered,
        revision=revision,
        template=template,
        image=image or rendered.image,
        job=_job(rendered, template, jobs, rolled_back=failed is not None),
        rolled_back_from=failed,
    )


def _same_inputs(
    rendered: Desired, resource: Resource, secrets: SecretValues, target: InCluster, template: Object
) -> set[str]:
    """Return the digests of the inputs, as this version and earlier versions compute them.

    In earlier versions, an empty list of spread constraints was the default, and the default added no constraint.
    """
    digests = {rendered.inputs, *rendered.former_inputs}
    spread = template["spec"].get("topologySpreadConstraints", ())
    if target.topology_spread_constraints == () and not any("matchLabelKeys" in each for each in spread):
        before = target.model_copy(update={"topology_spread_constraints": None})
        for found in (SecretValues(), SecretValues(secrets.token)):
            digests |= {*naming.inputs_digests(resource, found, before)}
    return digests


def _running(named: str | None, remembered: str | None, servers: Iterable[Object]) -> str | None:
    """Return the image that runs. The image of the Deployment may never have served.

    An image that only the status remembers is no proof: a pod must have it.
    """
    containers = (each for pod in servers for each in pod["spec"]["containers"])
    served = {each["image"] for each in containers if each["name"] == names.CONTAINER}
    return remembered if remembered in served else named


def _rolled_back_from(deployment: Object, resource: Resource) -> str | None:
    """Return the failed revision from the annotation of the Deployment, else from the status."""
    found = deployment["metadata"].get("annotations", {}).get(names.ANNOTATION_ROLLED_BACK)
    remembered = resource.status.in_cluster.rolled_back_from if resource.status.in_cluster else None
    return str(found) if found is not None else remembered


def _inputs(deployment: Object) -> str | None:
    found = deployment["metadata"].get("annotations", {}).get(names.ANNOTATION_INPUTS)
    return str(found) if found is not None else None


def _image(template: Object) -> str | None:
    """Return the image of TGI's container. `podTemplate` can name another image than the rendered one."""
    containers = template["spec"]["containers"]
    return next((str(each.get("image")) for each in containers if each["name"] == names.CONTAINER), None)


def _job(rendered: Desired, template: Object, jobs: Iterable[Object], *, rolled_back: bool) -> Object | None:
    """Return the Job of a template that stays: the live one, although its name may be rendered differently now.

    If it is lost, a new one fetches the weights to where the pods of the template look for them.
    """
    living = _living(jobs)
    if rendered.job is None or rendered.job["metadata"]["name"] in living:
        return rendered.job
    if living:
        return living[min(living)]
    return rendered.job if rolled_back else fetch_job.filling(rendered.job, _home(template))


def _keeping(
    rendered: Desired, deployment: Object | None, jobs: Iterable[Object], servers: Iterable[Object]
) -> Object | None:
    """Return the Job, which does not remove the weights of pods, of the Deployment and of what has been fetched.

    A revision to roll back to still has its Job, which is deleted only after another revision has served. A Job keeps
    the same weights until it ends, so that it is not replaced whenever a pod ends. A Job that makes another home is
    replaced anyway.
    """
    job = rendered.job
    if job is None or names.identity_of(job) != rendered.source.identity:
        return job
    living = _living(jobs)
    same = living.get(str(job["metadata"]["name"]))
    if same is not None and fetch_job.made_home(same) == fetch_job.made_home(job):
        return fetch_job.keeping(job, fetch_job.kept(same))
    fetched = (names.identity_of(each) for each in living.values() if is_true(each, "Complete"))
    templates = [*servers, *([deployment["spec"]["template"]] if deployment is not None else [])]
    used = (each["metadata"].get("labels", {}).get(names.LABEL_WEIGHTS) for each in templates)
    return fetch_job.keeping(job, (each for each in (*fetched, *used) if each is not None and names.is_identity(each)))


def _living(jobs: Iterable[Object]) -> dict[str, Object]:
    return {str(job["metadata"]["name"]): job for job in jobs if "deletionTimestamp" not in job["metadata"]}


def _home(template: Object) -> str:
    """Return HF_HOME of TGI's container."""
    containers = (each for each in template["spec"]["containers"] if each["name"] == names.CONTAINER)
    variables = (variable for each in containers for variable in each.get("env", ()))
    return next((str(each.get("value")) for each in variables if each["name"] == "HF_HOME"), fetch_job.DATA)
