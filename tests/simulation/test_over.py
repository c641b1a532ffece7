"""For every reason that can end without a change of the spec: after the cause ends, the status shows that.

If a free read shows the cause, the status is correct within a minute of its end. If only an attempt does, the
message announces the next attempt, and the status is correct within a minute of that.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from simulation.amazon import (
    DENIED,
    EXPIRED,
    INTERNAL,
    INVALID_ROLE,
    NO_IMAGE,
    THROTTLED,
    UNREACHABLE,
    UNREADABLE_DATA,
    Fault,
)
from simulation.simulation import ENDPOINT, PODS, REGION, SPEC, Simulation
from simulation.test_stories import NEW, arn_of, is_stalled
from tgi_operator.api.reasons import Reason
from tgi_operator.backends.sagemaker.desired import names
from tgi_sandbox.aws.lifecycle import Outcome, Status, system_update

Act = Callable[[Simulation], object]

MINUTE = 60.0
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

GATED = {**SPEC, "model": {**SPEC["model"], "tokenSecretRef": {"name": "hub", "key": "token"}}}
GATED_PODS = {**PODS, "model": {**PODS["model"], "tokenSecretRef": {"name": "hub", "key": "token"}}}
CACHED = {**PODS, "inCluster": {"gpu": {"count": 1}, "cache": {"size": "100Gi"}}}
NAMED = {**SPEC, "sageMaker": {**SPEC["sageMaker"], "endpointName": "payments"}}
RETYPED = {**SPEC, "sageMaker": {**SPEC["sageMaker"], "instanceType": "ml.g5.48xlarge"}}


@dataclass(frozen=True)
class Cause:
    """A cause that begins, shows as a reason within a time, and ends. It begins once `spec` serves, or before that."""

    reason: str
    begin: Act
    end: Act
    spec: Mapping[str, Any] = field(default_factory=lambda: SPEC)
    serving: bool = True
    by_attempt: bool = False
    shown_within: float = 180.0


def fails(reason: str, fault: Fault, *operations: str, **options: Any) -> Cause:
    """Return the cause "AWS answers some operations, or all of them, with a fault"."""
    return Cause(reason, lambda s: s.amazon.fail(fault, *operations), lambda s: s.amazon.mend(*operations), **options)


def refused(reason: str, fault: Fault, operation: str) -> Cause:
    """Return the cause "AWS refuses an operation of the creation"."""
    return fails(reason, fault, operation, serving=False, by_attempt=True)


def ends(reason: str, outcome: Outcome) -> Cause:
    """Return the cause "creations end with an outcome"."""
    return Cause(
        reason,
        lambda s: s.script(outcome, times=None),
        lambda s: s.world.scripts.clear(),
        serving=False,
        by_attempt=True,
        shown_within=1800,
    )


def put_status(status: Status) -> Act:
    """Return a function with which AWS gives the endpoint a status."""

    def act(simulation: Simulation) -> None:
        region = simulation.amazon.region(REGION)
        endpoint = replace(region.endpoint(ENDPOINT), status=status, modified=simulation.clock.now())
        region.put(endpoint)

    return act


def tag_cluster(cluster: str) -> Act:
    """Return a function with which a user tags the endpoint as another cluster's."""
    tag = names.to_list({names.TAG_CLUSTER: cluster})
    return lambda s: s.aws("AddTags", ResourceArn=arn_of(s, "endpoint"), Tags=tag)


def faulty_pods(reason: str, spec: Mapping[str, Any] = PODS, **fault: Any) -> Cause:
    """Return the cause "new pods do not become ready"."""
    none = dict.fromkeys(fault)
    return Cause(
        reason,
        lambda s: s.workloads.change(**fault),
        lambda s: s.workloads.change(**none),
        spec,
        serving=False,
        shown_within=400,
    )


def outage_of_kubernetes(*denied: tuple[str, str]) -> tuple[Act, Act]:
    """Return two functions that remove a permission of the operator, and restore it."""
    return lambda s: s.server.denied.update(denied), lambda s: s.server.denied.clear()


def break_reads(simulation: Simulation) -> None:
    """Let AWS answer with something that the operator cannot parse."""
    simulation.amazon.stale["DescribeEndpoint"] = {"Unexpected": True}
    simulation.apply({**simulation.body()["spec"], "replicas": 2})


def mend_reads(simulation: Simulation) -> None:
    """Let AWS answer as documented again."""
    del simulation.amazon.stale["DescribeEndpoint"]


def delete_secret(simulation: Simulation) -> None:
    simulation.server.delete("secrets", "ml", "hub")


def empty_secret(simulation: Simulation) -> None:
    simulation.server.put_secret("ml", "hub", other="x")


def put_secret(simulation: Simulation) -> None:
    simulation.server.put_secret("ml", "hub", token="hf_abcdefgh")


def allow(simulation: Simulation, text: str) -> None:
    Path(simulation.settings.allowed_roles_file).write_text(text)


def unlabel_secret(simulation: Simulation) -> None:
    simulation.server.label("secrets", "ml", "hub", None)


def label_secret(simulation: Simulation) -> None:
    simulation.server.label("secrets", "ml", "hub")


def create_account(simulation: Simulation) -> None:
    simulation.server.create("serviceaccounts", "ml", {"metadata": {"name": "reader"}})


def label_account(simulation: Simulation) -> None:
    simulation.server.label("serviceaccounts", "ml", "reader")


def forbid_roles(simulation: Simulation) -> None:
    allow(simulation, "namespaces: {other: ['*']}\n")


def allow_roles(simulation: Simulation) -> None:
    allow(simulation, "namespaces: {ml: ['*']}\n")


def forbid_names(simulation: Simulation) -> None:
    allow(simulation, "namespaces: {ml: {executionRoles: ['*']}}\n")


def allow_names(simulation: Simulation) -> None:
    allow(simulation, "namespaces: {ml: {executionRoles: ['*'], endpointNames: ['payments']}}\n")


def no_quota(simulation: Simulation) -> None:
    simulation.world.quotas = {"ml.g5.12xlarge": 0, "ml.g5.48xlarge": 0}


def quota(simulation: Simulation) -> None:
    simulation.world.quotas.clear()


def retype_without_quota(simulation: Simulation) -> None:
    simulation.world.quotas = {"ml.g5.48xlarge": 0}
    simulation.apply(RETYPED)


def update_denied(simulation: Simulation) -> None:
    simulation.amazon.fail(DENIED, "UpdateEndpoint")
    simulation.apply(NEW)


def tagging(fault: Fault) -> Act:
    """Return a function with which a user adds a tag to the spec, while AWS does not accept tags."""

    def act(simulation: Simulation) -> None:
        simulation.amazon.fail(fault, "AddTags")
        tags = [{"key": "team", "value": "nlp"}]
        simulation.apply({**SPEC, "sageMaker": {**SPEC["sageMaker"], "tags": tags}})

    return act


FORBID_SECRETS, ALLOW_SECRETS = outage_of_kubernetes(("get", "secrets"))
FORBID_DEPLOYMENTS, ALLOW_DEPLOYMENTS = outage_of_kubernetes(("patch", "deployments"))


def forbid_secrets(simulation: Simulation) -> None:
    FORBID_SECRETS(simulation)
    simulation.server.put_secret("ml", "hub", token="hf_abcdefgh", other="touched")


def unknown_status(simulation: Simulation) -> None:
    """Let AWS report a status that is unknown to this version of the operator."""
    listed = simulation.aws("ListEndpoints")
    listed["Endpoints"] = [{**each, "EndpointStatus": "Levitating"} for each in listed["Endpoints"]]
    described = {**simulation.aws("DescribeEndpoint", EndpointName=ENDPOINT), "EndpointStatus": "Levitating"}
    simulation.amazon.stale = {"ListEndpoints": listed, "DescribeEndpoint": described}


def known_status(simulation: Simulation) -> None:
    """Let AWS report the real status."""
    simulation.amazon.stale.clear()


def foreign_service(simulation: Simulation) -> None:
    simulation.server.create("services", "ml", {"metadata": {"name": "falcon-7b"}, "spec": {}})


def no_foreign_service(simulation: Simulation) -> None:
    simulation.server.delete("services", "ml", "falcon-7b")


def scale_pods(replicas: int) -> Act:
    """Return a function with which a user scales the Deployment."""
    change = {"spec": {"replicas": replicas}}
    return lambda s: s.server.edit("deployments", "ml", "falcon-7b", change)


def scaled_up(simulation: Simulation) -> None:
    """Scale the Deployment to one pod, and wait until it serves."""
    scale_pods(1)(simulation)
    started(simulation)


def hpa_reports(status: str, reason: str) -> Act:
    """Return a function with which the HPA's controller reports whether it has the metric."""

    def act(simulation: Simulation) -> None:
        conditions = [
            {"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale", "message": ""},
            {"type": "ScalingActive", "status": status, "reason": reason, "message": ""},
        ]
        (name,) = simulation.server.objects["horizontalpodautoscalers"]
        simulation.server.set_status("horizontalpodautoscalers", *name, {"conditions": conditions})

    return act


def metrics_served(simulation: Simulation) -> None:
    simulation.server.installed.add("custom.metrics.k8s.io")


def metrics_missing(simulation: Simulation) -> None:
    simulation.server.installed.clear()


def slow_start(simulation: Simulation) -> None:
    simulation.workloads.startup_seconds = 20_000


def started(simulation: Simulation) -> None:
    """Wait until a pod has started after all."""
    pods = simulation.server.objects["pods"].values()
    simulation.run_until(lambda: any("'ready': True" in str(pod) for pod in pods), within=30_000)
    simulation.run(5)


def crash(simulation: Simulation) -> None:
    simulation.workloads.change(crash=(1, "no route to host"))


def no_crash(simulation: Simulation) -> None:
    """End the crashes, and wait for the kubelet to start the container again."""
    simulation.workloads.change(crash=None)
    started(simulation)


def slow_creation(simulation: Simulation) -> None:
    simulation.world.durations = replace(simulation.world.durations, create=12 * 3600)


def created(simulation: Simulation) -> None:
    """Wait until AWS has created the endpoint after all."""
    region = simulation.amazon.region(REGION)
    simulation.run_until(
        lambda: simulation.amazon.region(REGION) and region.endpoint(ENDPOINT).status is Status.IN_SERVICE,
        within=12 * 3600,
    )


def maintain(simulation: Simulation) -> None:
    region = simulation.amazon.region(REGION)
    region.put(system_update(region.endpoint(ENDPOINT), simulation.clock.now(), 900))


def maintained(simulation: Simulation) -> None:
    """Wait until AWS's maintenance is over."""
    simulation.run(900)


AUTOSCALED = {**PODS, "autoscaling": {"minReplicas": 1, "maxReplicas": 2}}

READING = {**PODS, "inCluster": {**PODS["inCluster"], "serviceAccountName": "reader"}}

CAUSES = {
    "Secret deleted": Cause("SecretNotFound", delete_secret, put_secret, GATED),
    "Secret without the key": Cause("SecretKeyNotFound", empty_secret, put_secret, GATED),
    "Secret not there yet": Cause("SecretNotFound", delete_secret, put_secret, GATED, serving=False),
    "Secret of pods deleted": Cause("SecretNotFound", delete_secret, put_secret, GATED_PODS),
    "Secret without the label": Cause("UseNotAllowed", unlabel_secret, label_secret, GATED),
    "pods: Secret without the label": Cause("UseNotAllowed", unlabel_secret, label_secret, GATED_PODS),
    "account without the label": Cause("UseNotAllowed", create_account, label_account, READING, serving=False),
    "role not allowed": Cause("RoleNotAllowed", forbid_roles, allow_roles),
    "endpoint name not allowed": Cause("EndpointNameNotAllowed", forbid_names, allow_names, NAMED, serving=False),
    "owner tag changed": Cause("NotOwned", tag_cluster("cluster-2"), tag_cluster("cluster-1")),
    "AWS unreachable": fails("AWSUnavailable", UNREACHABLE),
    "AWS fails inside": fails("AWSUnavailable", INTERNAL),
    "credentials expired": fails("AWSUnavailable", EXPIRED),
    "everything throttled": fails("AWSUnavailable", THROTTLED),
    "reads denied": fails("AccessDenied", DENIED, "DescribeEndpoint", "ListEndpoints", serving=False, by_attempt=True),
    "answers not understood": Cause("ReconcileError", break_reads, mend_reads),
    "out of service": Cause("OutOfService", put_status(Status.OUT_OF_SERVICE), put_status(Status.IN_SERVICE)),
    "Secrets forbidden": Cause("KubernetesError", forbid_secrets, ALLOW_SECRETS, GATED),
    "quota for a new endpoint": Cause("QuotaExceeded", no_quota, quota, serving=False, by_attempt=True),
    "quota for another type": Cause("QuotaExceeded", retype_without_quota, quota, by_attempt=True),
    "no capacity": ends("InsufficientCapacity", Outcome.NO_CAPACITY),
    "internal failure": ends("InternalFailure", Outcome.INTERNAL_ERROR),
    "weights not readable": refused("ModelDataNotReadable", UNREADABLE_DATA, "CreateModel"),
    "image missing": refused("ImageNotFound", NO_IMAGE, "CreateModel"),
    "execution role invalid": refused("InvalidExecutionRole", INVALID_ROLE, "CreateModel"),
    "model denied": refused("AccessDenied", DENIED, "CreateModel"),
    "endpoint denied": refused("AccessDenied", DENIED, "CreateEndpoint"),
    "creation throttled": refused("Throttled", THROTTLED, "CreateEndpoint"),
    "creation unavailable": refused("AWSUnavailable", INTERNAL, "CreateEndpoint"),
    "update denied": Cause("AccessDenied", update_denied, lambda s: s.amazon.mend("UpdateEndpoint"), by_attempt=True),
    "tags denied": Cause("AccessDenied", tagging(DENIED), lambda s: s.amazon.mend("AddTags"), by_attempt=True),
    "tags throttled": Cause("Throttled", tagging(THROTTLED), lambda s: s.amazon.mend("AddTags"), by_attempt=True),
    "PVC not there": faulty_pods(
        "PVCNotFound", unschedulable='0/1 nodes are available: persistentvolumeclaim "weights" not found.'
    ),
    "pods not schedulable": faulty_pods("Unschedulable", unschedulable="0/1 nodes are available: 1 too small."),
    "pods' image missing": faulty_pods("ImagePullFailed", image_pull="manifest unknown: not found"),
    "registry away": faulty_pods("ImagePullFailed", image_pull="dial tcp: i/o timeout"),
    "Deployments forbidden": Cause(
        "RejectedByKubernetes", FORBID_DEPLOYMENTS, ALLOW_DEPLOYMENTS, PODS, serving=False, by_attempt=True
    ),
    "Secrets of pods forbidden": Cause("KubernetesError", forbid_secrets, ALLOW_SECRETS, GATED_PODS),
    "unknown status": Cause("UnknownEndpointStatus", unknown_status, known_status),
    "AWS maintains the endpoint": Cause("SystemUpdating", maintain, maintained),
    "creation takes for ever": Cause(
        "ProgressDeadlineExceeded", slow_creation, created, serving=False, shown_within=6 * 3600
    ),
    "start takes for ever": Cause(
        "ProgressDeadlineExceeded", slow_start, started, PODS, serving=False, shown_within=15_000
    ),
    "pods crash": Cause("CrashLoopBackOff", crash, no_crash, PODS, serving=False, shown_within=900),
    "Service of another user": Cause("NotOwned", foreign_service, no_foreign_service, PODS, serving=False),
    "pods scaled to zero": Cause("ScaledToZero", scale_pods(0), scaled_up, PODS),
    "no custom metrics": Cause("MetricsAPIMissing", metrics_missing, metrics_served, AUTOSCALED, serving=False),
    "pods do not answer": Cause(
        "ProbeFailed", lambda s: s.workloads.change(unhealthy=True), lambda s: s.workloads.change(unhealthy=False), PODS
    ),
}


def reports(simulation: Simulation, reason: str) -> bool:
    """Return whether a condition has a reason."""
    return any(each["reason"] == reason for each in simulation.status().get("conditions", ()))


def announced(simulation: Simulation) -> float | None:
    """Return when Ready announces the next attempt, None if it announces none."""
    found = _TIME.findall(simulation.condition("Ready")["message"])
    return datetime.fromisoformat(found[-1]).timestamp() if found else None


@pytest.mark.parametrize("restarted", [False, True], ids=["", "restarted"])
@pytest.mark.parametrize("name", CAUSES)
def test_a_cause_is_over_and_the_status_shows_it(tmp_path: Path, name: str, restarted: bool) -> None:
    cause = CAUSES[name]
    with Simulation(allowed_roles_file=str(tmp_path / "roles.yaml")) as simulation:
        allow_roles(simulation)
        put_secret(simulation)
        if not cause.serving:
            cause.begin(simulation)
        simulation.apply(cause.spec)
        if cause.serving:
            simulation.run_until(simulation.is_ready, within=600)
            cause.begin(simulation)
        simulation.run_until(lambda: reports(simulation, cause.reason), within=cause.shown_within)
        if restarted:
            simulation.restart()
        simulation.run(300)
        simulation.run_until(lambda: reports(simulation, cause.reason), within=cause.shown_within)
        attempt = simulation.clock.now()
        if cause.by_attempt:
            simulation.run_until(lambda: announced(simulation), within=cause.shown_within)
            attempt = max(attempt, announced(simulation) or 0.0)
        cause.end(simulation)
        pause = max(0.0, attempt - simulation.clock.now())
        simulation.run_until(lambda: not reports(simulation, cause.reason), within=pause + MINUTE)
        simulation.run_until(simulation.is_ready, within=0 if cause.serving and not cause.by_attempt else 900)
        assert not simulation.condition("Stalled")


def test_a_role_that_is_no_longer_allowed_is_shown_within_a_minute(tmp_path: Path) -> None:
    with Simulation(allowed_roles_file=str(tmp_path / "roles.yaml")) as simulation:
        allow_roles(simulation)
        simulation.apply(SPEC)
        simulation.run_until(simulation.is_ready, within=600)
        forbid_roles(simulation)
        simulation.run_until(lambda: is_stalled(simulation, "RoleNotAllowed"), within=MINUTE)
        assert simulation.condition("Available")["status"] == "True"


def test_a_metric_that_is_back_is_shown(simulation: Simulation) -> None:
    metrics_served(simulation)
    simulation.apply(AUTOSCALED)
    simulation.run_until(simulation.is_ready, within=600)
    for status, reason, shown in (
        ("False", "FailedGetPodsMetric", "NoMetrics"),
        ("True", "ValidMetricFound", "Autoscaling"),
        ("False", "FailedGetPodsMetric", "NoMetrics"),
        ("True", "ValidMetricFound", "Autoscaling"),
        ("False", "InvalidSelector", "ScalingFailed"),
        ("True", "ValidMetricFound", "Autoscaling"),
    ):
        hpa_reports(status, reason)(simulation)
        simulation.run_until(lambda shown=shown: simulation.reason("ScalingActive") == shown, within=MINUTE)  # type: ignore[misc]


def test_a_fetch_that_failed_is_over_when_its_job_is_deleted(simulation: Simulation) -> None:
    simulation.workloads.change(fetch=(1, "connection reset"))
    simulation.apply(CACHED)
    simulation.run_until(lambda: is_stalled(simulation, "ModelDownloadFailed"), within=3600)
    simulation.workloads.change(fetch=None)
    (name,) = [name for _, name in simulation.server.objects["jobs"]]
    simulation.server.delete("jobs", "ml", name)
    simulation.run_until(lambda: not reports(simulation, "ModelDownloadFailed"), within=MINUTE)
    simulation.run_until(simulation.is_ready, within=600)


def test_a_refused_status_is_over_within_a_minute(serving: Simulation) -> None:
    serving.server.denied = {("patch", "tgiendpoints/status")}
    serving.apply({**SPEC, "replicas": 2})
    serving.run(1200)
    assert ("Warning", "StatusRefused") in serving.events()
    serving.server.denied = set()
    serving.run_until(lambda: serving.is_ready() and serving.status()["desiredReplicas"] == 2, within=MINUTE)


def test_a_collection_that_failed_is_reported_and_done_later(serving: Simulation) -> None:
    with serving.amazon.failing(DENIED, "DeleteModel"):
        serving.apply(NEW)
        serving.run_until(lambda: ("Warning", "CollectionFailed") in serving.events(), within=600)
        serving.run(600)
        assert re.search(r"\w\. Retrying at \d{4}-", serving.condition("Ready")["message"])
    serving.run_until(lambda: len(serving.leftovers()) == 3, within=900)
    serving.run_until(serving.is_ready, within=MINUTE)


ELSEWHERE = {
    "BackendOff",
    "CollectionFailed",
    "ModelDownloadFailed",
    "NoMetrics",
    "PolicyConflict",
    "ScalingFailed",
    "ScalingUnknown",
    "StatusRefused",
}
"""Reasons whose end has a separate story: here, in test_installations, test_scaling or in test_defects."""

HEALTHY = {"InService", "Scaling", "Serving", "Autoscaling", "ScaledToZero"}
"""Reasons that report no problem."""

ON_THE_WAY = {
    "NotServing",
    "ServingUnknown",
    "EndpointNotInService",
    "Creating",
    "FetchingWeights",
    "Updating",
    "RollingBack",
    "Deleting",
    "Replacing",
    "Throttled",
    "CredentialsExpired",
}
"""Transitional reasons, which occur in every story, or which follow from others."""

BY_A_CHANGE_OF_THE_SPEC = {
    "InvalidSpec",
    "UnknownRegion",
    "UnknownVersion",
    "UnsupportedInstanceType",
    "InvalidNumShard",
    "PodNotRestricted",
    "AnnotationNotAllowed",
    "UnsupportedGPU",
    "ConflictingOptions",
    "RejectedByAWS",
    "EndpointFailed",
    "UpdateRolledBack",
    "UpdateRollbackFailed",
    "ContainerNotHealthy",
    "OOMKilled",
    "OutOfGPUMemory",
    "UnsupportedModel",
}

EVENTS = {
    "Deleted",
    "LeftAlone",
    "Retained",
    "Scaled",
    "BoundsChanged",
    "AutoscalingStopped",
    "TagsRestored",
    "Collected",
    "Restored",
}
"""Reasons of Events about completed actions."""


def test_every_reason_that_can_end_without_a_change_of_the_spec_has_its_story() -> None:
    covered = {cause.reason for cause in CAUSES.values()} | ELSEWHERE
    assert {str(each) for each in Reason} - HEALTHY - ON_THE_WAY - BY_A_CHANGE_OF_THE_SPEC - EVENTS <= covered
