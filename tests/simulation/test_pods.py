"""The life of a resource in the cluster: stories with controllers, kubelets and other users on virtual time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from simulation.simulation import KEY, PODS, Object, Simulation, condition
from simulation.test_over import CACHED, MINUTE, reports
from simulation.test_stories import LONG, is_stalled
from tgi_operator.backends.incluster.desired import fetch_job
from tgi_operator.settings import Settings

NEW = {**PODS, "runtime": {"maxTotalTokens": 2048}}
CHILDREN = ("deployments", "services", "poddisruptionbudgets", "pods", "jobs", "persistentvolumeclaims")


@pytest.fixture
def serving(simulation: Simulation) -> Simulation:
    """A simulation in which a resource in the cluster serves."""
    simulation.apply(PODS)
    simulation.run_until(simulation.is_ready, within=180)
    return simulation


def deployment(simulation: Simulation) -> Object:
    """Return the Deployment."""
    (found,) = simulation.server.objects["deployments"].values()
    return found


def pods(simulation: Simulation) -> set[str]:
    """Return the names of the existing pods."""
    return {name for _, name in simulation.server.objects["pods"]}


def writes(simulation: Simulation, since: int = 0) -> list[str]:
    """Return the operator's requests that change objects."""
    found = simulation.server.requests[since:]
    return [f"{verb} {resource}" for _, verb, resource, _ in found if verb not in ("get", "list")]


def test_a_new_resource_serves_and_leaves_nothing_behind(simulation: Simulation) -> None:
    simulation.apply(PODS)
    simulation.run(10)
    assert simulation.reason("Reconciling") == "Creating"
    simulation.run_until(simulation.is_ready, within=120)
    assert simulation.status()["readyReplicas"] == 1
    assert writes(simulation).count("patch tgiendpoints/status") <= 3
    simulation.delete()
    simulation.run_until(simulation.is_gone, within=MINUTE)
    simulation.run(30)
    assert [plural for plural in CHILDREN if simulation.server.objects[plural]] == []


def test_a_resource_can_begin_at_zero_replicas_and_return_to_it(simulation: Simulation) -> None:
    """As an autoscaler of the user does that wakes a model by the resource's /scale."""
    simulation.apply({**PODS, "replicas": 0})
    simulation.run_until(lambda: simulation.reason("Ready") == "ScaledToZero", within=MINUTE)
    assert simulation.condition("Ready")["status"] == "True"
    simulation.run(120)
    assert pods(simulation) == set()

    simulation.apply({**PODS, "replicas": 1})
    simulation.run_until(lambda: simulation.reason("Ready") == "InService", within=180)
    served = simulation.status()["currentRevision"]

    simulation.apply({**PODS, "replicas": 0})
    simulation.run_until(lambda: pods(simulation) == set(), within=MINUTE)
    simulation.run_until(lambda: simulation.reason("Ready") == "ScaledToZero", within=MINUTE)
    simulation.server.delete("deployments", "ml", "falcon-7b")
    simulation.run(120)
    assert pods(simulation) == set()
    assert simulation.status()["currentRevision"] == served


@pytest.mark.parametrize("restarted", [False, True])
def test_a_steady_resource_costs_no_writes(serving: Simulation, restarted: bool) -> None:
    if restarted:
        serving.restart()
    serving.run(120)
    since = len(serving.server.requests)
    serving.run(LONG)
    assert writes(serving, since) == []
    assert len(serving.server.requests) - since < LONG / 3600 * 12, "lists, each hour"


@contextmanager
def available(simulation: Simulation) -> Iterator[None]:
    """Let the simulation fail if a status meanwhile reports that the resource accepts no requests."""

    def check(_: Object, after: Object) -> Iterator[str]:
        if condition(after, "Available")["status"] != "True":
            yield f"not Available: {condition(after, 'Ready')['message']}"

    simulation.server.status_checks.append(check)
    yield
    simulation.server.status_checks.remove(check)


def test_a_new_pod_serves_before_an_old_one_ends_where_a_gpu_is_free(serving: Simulation) -> None:
    before = pods(serving)
    with available(serving):
        serving.apply(NEW)
        serving.run_until(lambda: not before & pods(serving), within=300)
        assert serving.status()["inCluster"]["replacement"] == "Surge"
        serving.run_until(serving.is_ready, within=10)


def test_an_old_pod_ends_first_where_it_has_the_only_gpu_once_a_node_had_time_to_come() -> None:
    with Simulation(gpus=1) as simulation:
        simulation.apply(PODS)
        simulation.run_until(simulation.is_ready, within=180)
        before = pods(simulation)
        with available(simulation):
            simulation.apply(NEW)
            simulation.run(Settings().node_wait_seconds - 10)
        assert before < pods(simulation)
        assert simulation.reason("Reconciling") == "Unschedulable"
        simulation.run(30)
        assert simulation.status()["inCluster"]["replacement"] == "InPlace"
        simulation.run_until(simulation.is_ready, within=300)
        simulation.run(10)
        assert not before & pods(simulation)


def test_an_autoscaler_that_adds_a_node_spares_the_old_pod() -> None:
    with Simulation(gpus=1) as simulation:
        simulation.apply(PODS)
        simulation.run_until(simulation.is_ready, within=180)
        with available(simulation):
            simulation.apply(NEW)
            simulation.run(120)
            simulation.workloads.gpus = 2
            simulation.run_until(simulation.is_ready, within=300)
        assert simulation.status()["inCluster"]["replacement"] == "Surge"


@pytest.mark.parametrize("gpu", [{"count": 9}, {"count": 1, "products": ["NVIDIA-L40S"]}], ids=["more", "others"])
def test_gpus_that_no_node_has_end_no_serving_pod(serving: Simulation, gpu: Mapping[str, Any]) -> None:
    before = pods(serving)
    with available(serving):
        serving.workloads.change(unschedulable="0/1 nodes are available: 1 node(s) didn't match node affinity.")
        serving.apply({**PODS, "inCluster": {"gpu": gpu}, "rollout": {"progressDeadlineSeconds": 600}})
        serving.run_until(lambda: is_stalled(serving, "UpdateRolledBack"), within=700)
        assert "didn't match node affinity" in serving.condition("Ready")["message"]
        serving.run(LONG)
        assert pods(serving) == before
        serving.apply(PODS)
        serving.run_until(serving.is_ready, within=60)
        serving.workloads.change(unschedulable=None)
        serving.run(10)
    assert pods(serving) == before


def test_weights_are_fetched_before_pods_start(simulation: Simulation) -> None:
    simulation.apply(CACHED)
    simulation.run_until(lambda: reports(simulation, "FetchingWeights"), within=30)
    simulation.run(60)
    assert not simulation.server.objects["deployments"]
    simulation.run_until(simulation.is_ready, within=400)
    assert simulation.server.objects["persistentvolumeclaims"]


def test_retain_keeps_the_weights_only(simulation: Simulation) -> None:
    simulation.apply({**CACHED, "deletionPolicy": "Retain"})
    simulation.run_until(simulation.is_ready, within=600)
    simulation.delete()
    simulation.run_until(simulation.is_gone, within=MINUTE)
    simulation.run(30)
    assert not simulation.server.objects["pods"]
    assert simulation.server.objects["persistentvolumeclaims"]
    assert ("Normal", "Retained") in simulation.events()


@pytest.mark.parametrize("restarted", [False, True])
def test_a_resource_that_comes_back_takes_over_the_pods_that_served_without_it(
    serving: Simulation, restarted: bool
) -> None:
    """As after `kubectl delete --cascade=orphan`, or a restore from a backup that begins with the pods."""
    before = pods(serving)
    serving.server.edit("deployments", KEY.namespace, KEY.name, {"metadata": {"ownerReferences": None}})
    serving.delete()
    serving.run_until(serving.is_gone, within=MINUTE)
    if restarted:
        serving.restart()
    serving.run(300)
    assert pods(serving) == before, "they belong to no resource"
    serving.apply(PODS)
    serving.run_until(serving.is_ready, within=10)
    assert deployment(serving)["metadata"]["ownerReferences"]
    serving.run(10)
    assert pods(serving) == before


def homes_of_pods_and_jobs(simulation: Simulation) -> tuple[str, set[str | None]]:
    """Return the home in which the pods look for their weights, and the homes that completed Jobs have made."""
    (container,) = deployment(simulation)["spec"]["template"]["spec"]["containers"]
    (home,) = (each["value"] for each in container["env"] if each["name"] == "HF_HOME")
    done = (each for each in simulation.server.objects["jobs"].values() if condition(each, "Complete"))
    return home.removeprefix("/data/hub/tgi/"), {fetch_job.made_home(each) for each in done}


EDITED = {**CACHED, "deletionPolicy": "Retain", "runtime": {"maxTotalTokens": 2048}}


def test_pods_of_a_resource_that_comes_back_change_only_to_weights_that_have_been_fetched_for_it(
    simulation: Simulation,
) -> None:
    """Its UID is another one, so that it has another home, but the Job has the same name."""
    simulation.apply({**CACHED, "deletionPolicy": "Retain"})
    simulation.run_until(simulation.is_ready, within=600)
    before = pods(simulation)
    for plural in ("deployments", "jobs"):
        for namespace, name in list(simulation.server.objects[plural]):
            simulation.server.edit(plural, namespace, name, {"metadata": {"ownerReferences": None}})
    simulation.delete()
    simulation.run_until(simulation.is_gone, within=MINUTE)
    simulation.apply({**CACHED, "deletionPolicy": "Retain"})
    simulation.run_until(simulation.is_ready, within=MINUTE)
    simulation.run(LONG)
    assert pods(simulation) == before
    home, _ = homes_of_pods_and_jobs(simulation)
    simulation.apply(EDITED)
    simulation.run_until(lambda: homes_of_pods_and_jobs(simulation)[0] != home, within=600)
    home, made = homes_of_pods_and_jobs(simulation)
    assert home in made
    simulation.run_until(simulation.is_ready, within=600)


def test_pods_of_a_version_without_homes_change_only_to_a_home_that_a_job_has_made(
    simulation: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their Job is lost, and another one restores it: its name is that of the next Job, but it makes no home."""
    current = fetch_job.source

    def former(*given: Any) -> fetch_job.Source:
        found = current(*given)
        return replace(found, home=fetch_job.DATA, identity="0123456789", arguments=found.arguments[:-2])

    with monkeypatch.context() as older:
        older.setattr(fetch_job, "source", former)
        simulation.apply(CACHED)
        simulation.run_until(simulation.is_ready, within=600)
    (server,) = pods(simulation) - {each["metadata"]["name"] for each in fetchers(simulation)}
    simulation.restart()
    simulation.run(120)
    ((namespace, name),) = simulation.server.objects["jobs"]
    simulation.server.delete("jobs", namespace, name)
    simulation.run(LONG)
    assert homes_of_pods_and_jobs(simulation) == ("/data", {None})
    assert server in pods(simulation)
    simulation.apply(EDITED)
    simulation.run_until(lambda: homes_of_pods_and_jobs(simulation)[0] != "/data", within=600)
    home, made = homes_of_pods_and_jobs(simulation)
    assert home in made
    simulation.run_until(simulation.is_ready, within=600)


@pytest.mark.parametrize(
    ("plural", "change"),
    [
        ("deployments", {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 7}}}}),
        ("deployments", {"spec": {"template": {"spec": {"containers": []}}}}),
        ("services", {"spec": {"ports": []}}),
    ],
    ids=["pod template", "containers", "ports"],
)
def test_what_another_user_edits_is_reverted(serving: Simulation, plural: str, change: Mapping[str, Any]) -> None:
    before = serving.server.objects[plural]["ml", "falcon-7b"]["spec"]
    serving.server.edit(plural, "ml", "falcon-7b", change)
    serving.run_until(lambda: serving.server.objects[plural]["ml", "falcon-7b"]["spec"] == before, within=30)
    serving.run_until(serving.is_ready, within=300)


@pytest.mark.parametrize("plural", ["deployments", "services", "poddisruptionbudgets"])
@pytest.mark.parametrize("heard", [True, False], ids=["", "in a gap of the watch"])
def test_what_another_user_deletes_comes_back(simulation: Simulation, plural: str, heard: bool) -> None:
    budget = {"podDisruptionBudget": {"maxUnavailable": "1"}}
    simulation.apply({**PODS, "inCluster": {**PODS["inCluster"], **budget}})
    simulation.run_until(simulation.is_ready, within=180)
    if not heard:
        simulation.cut_watches()
    simulation.server.delete(plural, "ml", "falcon-7b")
    simulation.run(5)
    simulation.connect_watches()
    within = MINUTE if heard else 3600 + MINUTE
    simulation.run_until(lambda: simulation.server.objects[plural], within=within)
    simulation.run_until(simulation.is_ready, within=300)


ANNOTATED = {**PODS, "inCluster": {**PODS["inCluster"], "service": {"annotations": {"example.com/a": "1"}}}}


def test_annotations_of_the_service_are_those_of_the_spec_and_of_others() -> None:
    def annotations() -> Object:
        found: Object = simulation.server.objects["services"]["ml", "falcon-7b"]["metadata"]["annotations"]
        return {name: value for name, value in found.items() if not name.startswith("tgi-operator.dev/")}

    with Simulation(service_annotations=("example.com/*",)) as simulation:
        simulation.apply(ANNOTATED)
        simulation.run_until(simulation.is_ready, within=180)
        before = pods(simulation)
        for changed in ("2", None):
            change = {"example.com/a": changed, "cloud.example/status": "up"}
            simulation.server.edit("services", "ml", "falcon-7b", {"metadata": {"annotations": change}})
            simulation.run(10)
            assert annotations() == {"example.com/a": "1", "cloud.example/status": "up"}
        since = len(simulation.server.requests)
        simulation.server.edit(
            "services", "ml", "falcon-7b", {"metadata": {"annotations": {"cloud.example/status": "down"}}}
        )
        simulation.run(120)
        assert writes(simulation, since) == [], "annotations of others cost nothing"
        simulation.apply(PODS)
        simulation.run(10)
        assert annotations() == {"cloud.example/status": "down"}
        assert simulation.is_ready()
        assert pods(simulation) == before


def test_a_service_with_an_annotation_that_is_no_longer_allowed_keeps_serving() -> None:
    with Simulation(service_annotations=("*",)) as simulation:
        simulation.apply(ANNOTATED)
        simulation.run_until(simulation.is_ready, within=180)
        simulation.settings = Settings()
        simulation.restart()
        simulation.run_until(lambda: is_stalled(simulation, "AnnotationNotAllowed"), within=MINUTE)
        assert simulation.condition("Available")["status"] == "True"


def policies(simulation: Simulation) -> list[list[Object]]:
    """Return the rules of the existing NetworkPolicies."""
    return [each["spec"]["ingress"] for each in simulation.server.objects["networkpolicies"].values()]


def administered(simulation: Simulation, namespaces: tuple[str, ...] | None) -> None:
    """Restart the operator with another list of namespaces that can connect to the pods."""
    simulation.settings = simulation.settings.model_copy(update={"serving_pods_from": namespaces})
    simulation.restart()
    simulation.run(10)


def test_a_network_policy_is_there_restored_and_removed_as_the_setting_wants(serving: Simulation) -> None:
    before = pods(serving)
    administered(serving, ("gateway",))
    (made,) = policies(serving)
    serving.server.edit("networkpolicies", "ml", "falcon-7b", {"spec": {"ingress": [*made, {}]}})
    serving.run_until(lambda: policies(serving) == [made], within=10)
    serving.server.delete("networkpolicies", "ml", "falcon-7b")
    serving.run_until(lambda: policies(serving) == [made], within=10)
    administered(serving, ("gateway", "monitoring"))
    assert "monitoring" in str(policies(serving))
    administered(serving, ("*",))
    assert policies(serving) == []
    assert serving.is_ready()
    assert pods(serving) == before


def test_without_the_setting_no_network_policy_is_touched_nor_asked_for(serving: Simulation) -> None:
    administered(serving, ("gateway",))
    kept = policies(serving)
    serving.server.denied = {("*", "networkpolicies")}
    administered(serving, None)
    since = len(serving.server.requests)
    serving.run(2 * 3600)
    serving.apply(NEW)
    serving.run_until(serving.is_ready, within=600)
    assert policies(serving) == kept
    assert "networkpolicies" not in {resource for _, _, resource, _ in serving.server.requests[since:]}
    serving.delete()
    serving.run_until(serving.is_gone, within=MINUTE)
    serving.run(30)
    assert policies(serving) == [], "garbage collection deletes it with the resource"


def test_no_pod_starts_before_its_network_policy_is_accepted() -> None:
    with Simulation(serving_pods_from=("gateway",)) as simulation:
        simulation.server.denied = {("patch", "networkpolicies")}
        simulation.apply(PODS)
        simulation.run_until(lambda: is_stalled(simulation, "RejectedByKubernetes"), within=MINUTE)
        assert "NetworkPolicy falcon-7b" in simulation.condition("Stalled")["message"]
        assert not pods(simulation)
        simulation.server.denied = set()
        simulation.run_until(simulation.is_ready, within=600)
        assert len(policies(simulation)) == 1


def test_a_network_policy_of_another_user_is_left_alone() -> None:
    with Simulation(serving_pods_from=("gateway",)) as simulation:
        theirs = {"metadata": {"name": "falcon-7b"}, "spec": {"podSelector": {}, "ingress": [{}]}}
        simulation.server.create("networkpolicies", "ml", theirs)
        simulation.apply(PODS)
        simulation.run_until(lambda: is_stalled(simulation, "NotOwned"), within=MINUTE)
        simulation.settings = simulation.settings.model_copy(update={"serving_pods_from": ("*",)})
        simulation.restart()
        simulation.run_until(simulation.is_ready, within=300)
        assert policies(simulation) == [[{}]]


def test_a_deployment_scaled_by_another_user_keeps_its_replicas(serving: Simulation) -> None:
    serving.server.edit("deployments", "ml", "falcon-7b", {"spec": {"replicas": 3}})
    serving.run_until(lambda: serving.status()["readyReplicas"] == 3, within=180)
    serving.run(600)
    assert deployment(serving)["spec"]["replicas"] == 3
    serving.apply({**PODS, "replicas": 2})
    serving.run_until(lambda: serving.status()["readyReplicas"] == 2, within=60)


def test_a_model_that_crashes_is_reported_and_another_spec_ends_it(simulation: Simulation) -> None:
    simulation.workloads.change(crash=(1, "torch.cuda.OutOfMemoryError: CUDA out of memory."))
    simulation.apply(PODS)
    simulation.run_until(lambda: is_stalled(simulation, "OutOfGPUMemory"), within=300)
    assert simulation.status()["lastFailure"]["exitCode"] == 1
    simulation.workloads.change(crash=None)
    simulation.apply(NEW)
    simulation.run_until(simulation.is_ready, within=600)
    assert "lastFailure" not in simulation.status()


def test_an_update_that_fails_keeps_the_old_pods(serving: Simulation) -> None:
    before = pods(serving)
    serving.workloads.change(image_pull="manifest unknown: not found")
    serving.apply({**PODS, "runtime": {"image": "ghcr.io/huggingface/text-generation-inference:nothing"}})
    serving.run_until(lambda: is_stalled(serving, "ImagePullFailed"), within=60)
    assert before < pods(serving)
    serving.run(1800)
    assert is_stalled(serving, "UpdateRolledBack")
    assert pods(serving) == before
    assert serving.condition("Available")["status"] == "True"
    serving.apply(PODS)
    serving.run_until(serving.is_ready, within=60)


def test_no_token_is_ever_shown(simulation: Simulation) -> None:
    simulation.server.put_secret("ml", "hub", token="hf_abcdefgh")
    simulation.workloads.change(crash=(1, "401 for token hf_abcdefgh"))
    simulation.apply({**PODS, "model": {**PODS["model"], "tokenSecretRef": {"name": "hub", "key": "token"}}})
    simulation.run(600)
    simulation.workloads.change(crash=None)
    simulation.run_until(simulation.is_ready, within=600)
    assert "hf_abcdefgh" not in str([simulation.body(), simulation.server.objects["events"]])
    assert "hf_abcdefgh" not in str(simulation.server.objects["deployments"])


TGI: Mapping[str, Any] = {"name": "tgi", "envFrom": [{"secretRef": {"name": "db"}}]}
TAKEN = {"spec": {"containers": [TGI]}}
PRIVILEGED = {"spec": {"containers": [{**TGI, "securityContext": {"privileged": True}}]}}
TAKING = {**PODS, "inCluster": {**PODS["inCluster"], "podTemplate": PRIVILEGED}}


def test_pods_of_before_go_on_serving_and_are_reported() -> None:
    """An upgrade restricts the use of podTemplate and Secrets: no pod is replaced or deleted."""
    with Simulation(pod_template="unrestricted", require_labels="off") as simulation:
        simulation.apply(TAKING)
        simulation.run_until(simulation.is_ready, within=180)
        before = pods(simulation)
        for settings, reason, message in (
            (Settings(), "PodNotRestricted", "spec.inCluster.podTemplate.spec.containers[tgi].securityContext"),
            (Settings(pod_template="unrestricted"), "UseNotAllowed", "Secret ml/db"),
        ):
            simulation.settings = settings
            simulation.restart()
            simulation.run_until(lambda reason=reason: is_stalled(simulation, reason), within=MINUTE)  # type: ignore[misc]
            assert message in simulation.condition("Ready")["message"]
            assert simulation.condition("Available")["status"] == "True"
            simulation.run(LONG)
            assert pods(simulation) == before


def test_another_users_secret_reaches_no_pod(simulation: Simulation) -> None:
    """Neither by a name that does not exist yet, nor by an invalid Hub token."""
    stolen = {"tokenSecretRef": {"name": "db", "key": "password"}}
    env = [{"name": "HF_ENDPOINT", "value": "https://collector.example"}]
    hub = {**PODS, "model": {**PODS["model"], **stolen}, "runtime": {"env": env}}
    simulation.apply({**PODS, "inCluster": {**PODS["inCluster"], "podTemplate": TAKEN}})
    simulation.run_until(lambda: is_stalled(simulation, "UseNotAllowed"), within=MINUTE)
    simulation.server.create(
        "secrets", "ml", {"metadata": {"name": "db"}, "type": "Opaque", "data": {"password": "eA=="}}
    )
    simulation.run(600)
    assert is_stalled(simulation, "UseNotAllowed")
    assert "kubectl label secret db -n ml tgi-operator.dev/allow-use=true" in simulation.condition("Ready")["message"]
    simulation.apply(hub)
    simulation.run(600)
    assert is_stalled(simulation, "UseNotAllowed")
    assert [plural for plural in CHILDREN if simulation.server.objects[plural]] == []


def test_a_rotated_token_replaces_no_pod(simulation: Simulation) -> None:
    simulation.server.put_secret("ml", "hub", token="hf_abcdefgh")
    simulation.apply({**PODS, "model": {**PODS["model"], "tokenSecretRef": {"name": "hub", "key": "token"}}})
    simulation.run_until(simulation.is_ready, within=180)
    simulation.run(120)
    before, since = pods(simulation), len(simulation.server.requests)
    for restarted in (False, True):
        simulation.server.put_secret("ml", "hub", token=f"hf_rotated{restarted}")
        if restarted:
            simulation.restart()
        simulation.run(600)
        assert pods(simulation) == before
    assert writes(simulation, since) == []


def test_another_token_fetches_weights_that_the_former_one_could_not(simulation: Simulation) -> None:
    simulation.server.put_secret("ml", "hub", token="hf_abcdefgh")
    simulation.workloads.change(fetch=(3, "the model is gated (401); set model.tokenSecretRef"))
    gated = {**CACHED, "model": {**CACHED["model"], "tokenSecretRef": {"name": "hub", "key": "token"}}}
    simulation.apply(gated)
    simulation.run_until(lambda: is_stalled(simulation, "ModelDownloadFailed"), within=600)
    simulation.run(LONG)
    assert is_stalled(simulation, "ModelDownloadFailed"), "nothing has changed"
    simulation.workloads.change(fetch=None)
    simulation.server.put_secret("ml", "hub", token="hf_ijklmnop")
    simulation.run_until(simulation.is_ready, within=600)


def test_a_hub_that_was_down_for_an_hour_needs_nobody(simulation: Simulation) -> None:
    simulation.workloads.change(fetch=(1, "the Hub answers 503"))
    simulation.apply(CACHED)
    simulation.run(3600)
    simulation.run_until(lambda: "Retrying at" in simulation.condition("Ready")["message"], within=3600)
    simulation.workloads.change(fetch=None)
    simulation.run_until(simulation.is_ready, within=2 * 3600)


QUICK = {**PODS, "rollout": {"progressDeadlineSeconds": 300}}


@pytest.mark.parametrize("gpus", [8, 1], ids=["beside the old pod", "in its place"])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_revision_that_crashes_is_undone_and_not_tried_again(gpus: int, restarted: bool) -> None:
    with Simulation(gpus=gpus) as simulation:
        simulation.apply(QUICK)
        simulation.run_until(simulation.is_ready, within=180)
        revision = simulation.status()["currentRevision"]
        simulation.workloads.change(crash=(1, "panicked"), crash_of=("MAX_TOTAL_TOKENS", "2048"))
        simulation.apply({**QUICK, "runtime": {"maxTotalTokens": 2048}})
        simulation.run_until(lambda: is_stalled(simulation, "UpdateRolledBack"), within=1200)
        if restarted:
            simulation.restart()
        simulation.run_until(lambda: simulation.condition("Available")["status"] == "True", within=180)
        simulation.run(60)
        created = simulation.workloads.created
        simulation.run(LONG)
        assert is_stalled(simulation, "UpdateRolledBack")
        assert simulation.workloads.created == created, "the failed revision is not tried again"
        assert simulation.status()["currentRevision"] == revision
        assert "panicked" in simulation.condition("Ready")["message"]
        since = len(simulation.server.requests)
        simulation.run(LONG)
        assert writes(simulation, since) == []
        simulation.workloads.change(crash=None)
        simulation.annotate(requestedAt="1")
        simulation.run_until(simulation.is_ready, within=1200)
        assert simulation.status()["currentRevision"] != revision


def nodes(simulation: Simulation) -> list[str]:
    """Return the nodes of the pods that serve or start."""
    found = simulation.server.objects["pods"].values()
    return sorted(
        each["spec"].get("nodeName", "") for each in found if each["status"].get("phase") in ("Pending", "Running")
    )


ONE_NODE: Mapping[str, Any] = {
    **PODS,
    "inCluster": {"gpu": {"count": 1}, "cache": {"size": "100Gi", "accessMode": "ReadWriteOnce"}},
}


@pytest.mark.parametrize("restarted", [False, True])
def test_pods_with_a_volume_of_one_node_never_wait_for_it_on_another(restarted: bool) -> None:
    """The other node has more room, and the scheduler prefers it."""
    with Simulation(gpus=2) as simulation:
        simulation.workloads.add_node("gpu-2", 8)
        simulation.workloads.end_seconds = 60
        simulation.apply({**ONE_NODE, "replicas": 2})
        simulation.run_until(simulation.is_ready, within=600)
        (node,) = set(nodes(simulation))
        for tokens in (1024, 2048):
            simulation.apply({**ONE_NODE, "replicas": 2, "runtime": {"maxTotalTokens": tokens}})
            simulation.run(5)
            if restarted:
                simulation.restart()
            simulation.run_until(simulation.is_ready, within=1200)
            simulation.run(120)
            assert nodes(simulation) == [node, node]
        assert simulation.workloads.refused_attachments == 0


def test_a_volume_that_a_pod_of_another_user_has_on_another_node_is_reported_and_waited_for() -> None:
    with Simulation(gpus=1) as simulation:
        simulation.workloads.add_node("gpu-2", 0)
        claim = {"metadata": {"name": "weights"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
        simulation.server.create("persistentvolumeclaims", "ml", claim)
        volume = {"name": "data", "persistentVolumeClaim": {"claimName": "weights"}}
        theirs = {
            "metadata": {"name": "notebook", "labels": {}},
            "spec": {"nodeName": "gpu-2", "containers": [{"name": "a"}], "volumes": [volume]},
            "status": {"phase": "Running"},
        }
        simulation.server.create("pods", "ml", theirs)
        simulation.apply({**PODS, "inCluster": {"gpu": {"count": 1}, "cache": {"claimName": "weights"}}})
        simulation.run_until(lambda: "Multi-Attach" in simulation.condition("Ready").get("message", ""), within=120)
        assert "already used by pod(s) notebook" in simulation.condition("Ready")["message"]
        simulation.run_until(lambda: is_stalled(simulation, "ProgressDeadlineExceeded"), within=3600)
        simulation.server.delete("pods", "ml", "notebook")
        simulation.run_until(simulation.is_ready, within=600)


def test_a_pod_that_ends_slowly_is_waited_for_and_not_taken_for_a_lack_of_gpus() -> None:
    with Simulation(gpus=1, node_wait_seconds=0) as simulation:
        simulation.workloads.end_seconds = 400
        simulation.apply(PODS)
        simulation.run_until(simulation.is_ready, within=180)
        (old,) = pods(simulation)
        simulation.apply(NEW)
        waiting = f"A new pod is waiting for pod {old} to terminate."
        simulation.run_until(lambda: waiting in simulation.condition("Ready")["message"], within=60)
        assert simulation.status()["inCluster"]["replacement"] == "InPlace"
        simulation.run(300)
        assert old in pods(simulation)
        assert waiting in simulation.condition("Ready")["message"]
        assert simulation.reason() != "Unschedulable"
        assert ("Warning", "Unschedulable") not in simulation.events()[-2:]
        simulation.run_until(simulation.is_ready, within=300)
        assert old not in pods(simulation)


def test_a_drain_of_the_fetching_pod_is_no_failure(simulation: Simulation) -> None:
    """More often than the Job would retry a failure, and the pods of the Job end slowly."""
    simulation.workloads.end_seconds = 20
    simulation.apply(CACHED)
    simulation.run_until(lambda: fetchers(simulation), within=60)
    (job,) = (each["metadata"]["uid"] for each in simulation.server.objects["jobs"].values())
    drained = []
    for _ in range(7):
        simulation.run_until(
            lambda: [each for each in fetchers(simulation) if each["status"].get("phase") == "Running"], within=60
        )
        (pod,) = fetchers(simulation)
        drained.append(pod["metadata"]["name"])
        simulation.workloads.evict("ml", pod["metadata"]["name"])
        simulation.run(10)
        assert [each["metadata"]["name"] for each in fetchers(simulation)] == drained[-1:], "one at a time"
        assert not simulation.condition("Stalled")
        simulation.run(15)
    assert len(set(drained)) == 7
    simulation.run_until(simulation.is_ready, within=400)
    assert [each["metadata"]["uid"] for each in simulation.server.objects["jobs"].values()] == [job]


def fetchers(simulation: Simulation) -> list[Object]:
    """Return the pods of Jobs."""
    found = simulation.server.objects["pods"].values()
    return [each for each in found if "batch.kubernetes.io/job-name" in each["metadata"]["labels"]]
