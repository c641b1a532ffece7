"""Upgrades of the operator: pods that another version rendered from the same inputs are not changed."""

import copy
from typing import Any

import pytest

from tgi_operator.api.status import Status
from tgi_operator.backends.incluster.decide.steps import Apply, Delete
from tgi_operator.backends.incluster.desired import fetch_job, names, placement, pod_template
from tgi_operator.backends.incluster.kinds import Object
from tgi_operator.engines.tgi import images
from unit.operator.incluster.given import CACHED, OWNER, TOKEN, Cluster, pod, spec

NEXT = spec({"runtime": {"maxTotalTokens": 2048}})


def upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate an operator that renders pods differently."""
    render = pod_template.pod_template

    def rendered(*arguments: Any) -> Object:
        template: Object = render(*arguments)
        template["spec"]["enableServiceLinks"] = True
        return template

    monkeypatch.setattr(pod_template, "pod_template", rendered)


def writes(cluster: Cluster) -> list[str]:
    """Return the kinds of the objects that the next plan changes."""
    planned = cluster.plan()
    assert not planned.collection
    return [str((step.manifest if isinstance(step, Apply) else step.body)["kind"]) for step in planned.steps]


def template(cluster: Cluster) -> Object:
    return copy.deepcopy(cluster.deployment["spec"]["template"])


def annotate(cluster: Cluster, value: str | None) -> None:
    annotations = cluster.deployment["metadata"]["annotations"]
    annotations.pop(names.ANNOTATION_INPUTS)
    if value is not None:
        annotations[names.ANNOTATION_INPUTS] = value


@pytest.mark.parametrize("described", [spec(), spec(**CACHED), spec({"replicas": 2})])
def test_upgrade_of_the_operator_writes_nothing(described: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(described).settle()
    status = cluster.status
    upgrade(monkeypatch)
    assert writes(cluster) == []
    cluster.step()
    assert cluster.status == status


def test_upgrade_writes_nothing_while_the_first_pods_start(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    cluster.step()
    upgrade(monkeypatch)
    assert writes(cluster) == []


def test_upgrade_writes_nothing_where_the_status_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster().settle()
    cluster.status = Status()
    upgrade(monkeypatch)
    monkeypatch.setattr(images, "release_image", lambda version, vendor: "tgi:newer")
    assert writes(cluster) == []
    cluster.step()
    assert cluster.status.image != "tgi:newer"
    cluster.described = NEXT
    cluster.step()
    assert template(cluster)["spec"]["containers"][0]["image"] == cluster.status.image


def test_lost_status_and_another_spec_keep_the_image_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster().settle()
    image = cluster.status.image
    cluster.status, cluster.described = Status(), NEXT
    monkeypatch.setattr(images, "release_image", lambda version, vendor: "tgi:newer")
    cluster.step()
    assert template(cluster)["spec"]["containers"][0]["image"] == image


@pytest.mark.parametrize(("before", "after"), [("nvidia.com/gpu", "amd.com/gpu"), ("amd.com/gpu", "nvidia.com/gpu")])
def test_image_of_an_unnamed_version_is_not_kept_for_the_gpus_of_another_maker(before: str, after: str) -> None:
    cluster = Cluster(spec(gpu={"resourceName": before})).settle()
    for resource_name in (before, after):
        cluster.described = spec({"runtime": {"maxTotalTokens": 2048}}, gpu={"resourceName": resource_name})
        cluster.settle()
        image = template(cluster)["spec"]["containers"][0]["image"]
        assert image == cluster.status.image == images.release_image(None, resource_name.removesuffix("/gpu"))


def test_first_image_of_an_unnamed_version_is_kept_before_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    cluster.step()
    image = cluster.status.image
    assert image is not None
    monkeypatch.setattr(images, "release_image", lambda version, vendor: "tgi:newer")
    assert writes(cluster) == []
    cluster.described = NEXT
    cluster.step()
    assert template(cluster)["spec"]["containers"][0]["image"] == image


def test_next_change_of_the_spec_takes_the_new_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster().settle()
    upgrade(monkeypatch)
    cluster.described, cluster.generation = NEXT, 2
    assert "Deployment" in writes(cluster)
    cluster.settle()
    assert template(cluster)["spec"]["enableServiceLinks"]


def test_new_rendering_is_taken_on_request_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster().settle()
    upgrade(monkeypatch)
    cluster.render_request = "2026-01-31T12:00:00Z"
    assert "Deployment" in writes(cluster)
    cluster.settle()
    assert template(cluster)["spec"]["enableServiceLinks"]
    assert writes(cluster) == []


def test_request_for_what_is_rendered_anyway_replaces_no_pod() -> None:
    cluster = Cluster().settle()
    before = template(cluster)
    cluster.render_request = "now"
    assert writes(cluster) == ["Deployment"]
    planned = cluster.step()
    assert planned.notes == (), "nobody changed anything that had to be restored"
    assert template(cluster) == before
    assert writes(cluster) == []


def test_deployment_without_inputs_only_gets_the_annotations() -> None:
    """It was created by a version without these annotations."""
    cluster = Cluster().settle()
    before = template(cluster)
    del cluster.deployment["metadata"]["annotations"]
    planned = cluster.step()
    assert (len(planned.steps), planned.notes) == (1, ())
    assert template(cluster) == before
    assert writes(cluster) == []


def test_replica_count_and_service_are_enforced_beside_a_kept_template(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(spec({"replicas": 2})).settle()
    before = template(cluster)
    upgrade(monkeypatch)
    cluster.described = spec({"replicas": 3})
    cluster.children["Service", OWNER.name]["spec"]["selector"] = {"app": "other"}
    assert writes(cluster) == ["Service", "Deployment"]
    cluster.step()
    assert cluster.deployment["spec"]["replicas"] == 3
    assert template(cluster) == before


def test_job_of_a_kept_template_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name depends on volumes that a newer operator can render differently."""
    cluster = Cluster(spec(**CACHED)).settle()
    upgrade(monkeypatch)
    monkeypatch.setattr(names, "job_name", lambda owner, what: "fetch-otherwise")
    assert writes(cluster) == []


def arguments(cluster: Cluster) -> list[str]:
    job = cluster.desired.job
    assert job is not None
    found: list[str] = job["spec"]["template"]["spec"]["containers"][0]["args"]
    return found


def identity(cluster: Cluster) -> str:
    return cluster.desired.source.identity


ANOTHER = spec({"model": {"uri": "hf://a/b"}}, **CACHED)
A_THIRD = spec({"model": {"uri": "hf://a/c"}}, **CACHED)


def test_job_keeps_the_weights_of_the_pods_and_of_what_has_been_fetched() -> None:
    cluster = Cluster(spec(**CACHED)).settle()
    served = identity(cluster)
    assert "--keep" not in arguments(cluster)
    cluster.described = ANOTHER
    assert fetch_job.kept(wanted(cluster)) == {served}
    # It is fetched and rolled out, but its pods fail. A third model is fetched next.
    cluster.step()
    cluster.finish_jobs()
    cluster.step()
    failed = identity(cluster)
    cluster.described = A_THIRD
    assert fetch_job.kept(wanted(cluster)) == {served, failed}
    # A cleaner has deleted the Jobs, but pods of both revisions are left.
    old = pod("old", "0123456789")
    old["metadata"]["labels"][names.LABEL_WEIGHTS] = served
    forged = pod("forged", "0123456789")
    forged["metadata"]["labels"][names.LABEL_WEIGHTS] = "--x"
    cluster.children = {key: body for key, body in cluster.children.items() if key[0] != "Job"}
    cluster.add(old, forged)
    assert fetch_job.kept(wanted(cluster)) == {served, failed}


def test_what_a_job_keeps_does_not_change_while_it_runs() -> None:
    cluster = Cluster(spec(**CACHED)).settle()
    cluster.described = ANOTHER
    cluster.step()
    before = wanted(cluster)
    cluster.children = {key: body for key, body in cluster.children.items() if key[0] != "Pod"}
    del cluster.deployment["spec"]["template"]["metadata"]["labels"][names.LABEL_WEIGHTS]
    assert wanted(cluster) == before
    assert not [step for step in cluster.plan().steps if isinstance(step, Delete)]


def test_job_that_replaces_one_with_another_home_keeps_what_pods_use_now() -> None:
    """The replaced Job kept the weights that pods used when it began."""
    cluster = Cluster(spec(**CACHED)).settle()
    served = identity(cluster)
    (body,) = (body for (kind, _), body in cluster.children.items() if kind == "Job")
    (container,) = body["spec"]["template"]["spec"]["containers"]
    container["args"][-1] = "aaaaaaaaaa/bbbbbbbbbb"
    cluster.described = ANOTHER
    cluster.step()
    cluster.finish_jobs()
    cluster.step()
    failed = identity(cluster)
    cluster.described = spec(NEXT, **CACHED)
    assert identity(cluster) == served
    assert fetch_job.kept(wanted(cluster)) == {failed}
    cluster.step()
    cluster.children = {key: body for key, body in cluster.children.items() if key[0] != "Pod"}
    assert fetch_job.kept(wanted(cluster)) == {failed}


def wanted(cluster: Cluster) -> Object:
    job = cluster.desired.job
    assert job is not None
    return job


def test_lost_job_fetches_to_where_the_pods_of_another_version_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions without homes read the branch in the cache itself."""
    cluster = Cluster(spec(**CACHED)).settle()
    upgrade(monkeypatch)
    monkeypatch.setattr(names, "job_name", lambda owner, identity: f"fetch-otherwise-{identity}")
    cluster.children = {key: body for key, body in cluster.children.items() if key[0] != "Job"}
    (container,) = cluster.deployment["spec"]["template"]["spec"]["containers"]
    variable = next(each for each in container["env"] if each["name"] == "HF_HOME")
    variable["value"] = "/data/hub/tgi/aaaaaaaaaa/bbbbbbbbbb"
    assert arguments(cluster)[3:] == ["--home", "aaaaaaaaaa/bbbbbbbbbb"]
    variable["value"] = "/data"
    assert arguments(cluster)[3:] == []


def test_change_of_the_template_by_others_is_reverted() -> None:
    cluster = Cluster().settle()
    before = template(cluster)
    cluster.deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "other:1"
    cluster.step()
    assert template(cluster) == before


def rollouts(cluster: Cluster) -> int:
    """Return how many times the operator changes the pod template until nothing is left to do."""
    count = 0
    for _ in range(6):
        before = template(cluster)
        cluster.step()
        count += template(cluster) != before
        cluster.serve()
    assert writes(cluster) == []
    return count


@pytest.mark.parametrize("upgraded", [False, True])
@pytest.mark.parametrize("value", [None, "", "0123456789abcdef"])
def test_changed_inputs_annotation_starts_at_most_one_rollout(
    value: str | None, upgraded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster().settle()
    if upgraded:
        upgrade(monkeypatch)
    annotate(cluster, value)
    assert rollouts(cluster) == int(upgraded)


@pytest.mark.parametrize("upgraded", [False, True])
@pytest.mark.parametrize("value", [None, "", "another", "0123456789"])
def test_changed_revision_label_starts_at_most_one_rollout(
    value: str | None, upgraded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster().settle()
    if upgraded:
        upgrade(monkeypatch)
    labels = cluster.deployment["spec"]["template"]["metadata"]["labels"]
    labels.pop(names.LABEL_REVISION)
    if value is not None:
        labels[names.LABEL_REVISION] = value
    assert rollouts(cluster) <= 1


def test_image_that_the_overlay_names_is_not_taken_for_the_one_of_an_unnamed_version() -> None:
    overlay = {"spec": {"containers": [{"name": "tgi", "image": "own:1"}]}}
    cluster = Cluster(spec(podTemplate=overlay)).settle()
    cluster.status, cluster.described = Status(), spec({"runtime": {"maxTotalTokens": 2048}}, podTemplate=overlay)
    cluster.settle()
    assert cluster.status.image == images.release_image(None)


def without_spread(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Simulate an operator that knows no default constraints."""
    return monkeypatch.setattr(placement, "spread", lambda owner, target: [])


@pytest.mark.parametrize("token", [None, TOKEN])
def test_empty_spread_replaces_no_pod_of_a_version_without_a_default(
    token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated = {"model": {"uri": "hf://a/b", "tokenSecretRef": {"name": "hub", "key": "token"}}} if token else {}
    with monkeypatch.context() as before:
        without_spread(before)
        cluster = Cluster(spec(gated), token=token).settle()
    upgrade(monkeypatch)
    kept = template(cluster)
    cluster.described = spec(gated, topologySpreadConstraints=[])
    cluster.settle()
    assert template(cluster) == kept


def test_empty_spread_removes_the_default() -> None:
    cluster = Cluster().settle()
    cluster.described = spec(topologySpreadConstraints=[])
    cluster.settle()
    assert "topologySpreadConstraints" not in template(cluster)["spec"]


@pytest.mark.parametrize("former", [0, 1], ids=["by the fingerprint", "by the value"])
def test_digest_that_an_earlier_version_computed_from_the_token_replaces_no_pod(
    former: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated = {"model": {"uri": "hf://a/b", "tokenSecretRef": {"name": "hub", "key": "token"}}}
    cluster = Cluster(spec(gated), token=TOKEN).settle()
    before = template(cluster)
    annotate(cluster, cluster.desired.former_inputs[former])
    upgrade(monkeypatch)
    cluster.step()
    assert template(cluster) == before
    annotations = cluster.deployment["metadata"]["annotations"]
    assert annotations[names.ANNOTATION_INPUTS] == cluster.desired.inputs, "the digest of the token is gone"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"service": {"annotations": {"prometheus.io/scrape": "true"}}}),
        ({}, {"podMonitor": {"labels": {"release": "prometheus"}}}),
        ({}, {"podDisruptionBudget": {"maxUnavailable": 0}}),
        ({"cache": {"size": "10Gi"}}, {"cache": {"size": "20Gi"}}),
    ],
    ids=["Service", "PodMonitor", "PodDisruptionBudget", "PVC"],
)
def test_what_pods_do_not_depend_on_takes_no_new_rendering(
    before: dict[str, Any], after: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(spec(**before)).settle()
    template = cluster.deployment["spec"]["template"]
    upgrade(monkeypatch)
    cluster.described, cluster.generation = spec(**after), 2
    cluster.settle()
    assert cluster.deployment["spec"]["template"] == template


def test_a_digest_of_all_fields_by_an_earlier_version_is_recognized(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(spec(podMonitor={"labels": {"release": "prometheus"}})).settle()
    template = cluster.deployment["spec"]["template"]
    wanted = cluster.desired
    assert wanted.former_inputs
    cluster.deployment["metadata"]["annotations"][names.ANNOTATION_INPUTS] = wanted.former_inputs[0]
    upgrade(monkeypatch)
    cluster.settle()
    assert cluster.deployment["spec"]["template"] == template
    assert cluster.deployment["metadata"]["annotations"][names.ANNOTATION_INPUTS] == wanted.inputs
