"""One Application from its first sync to its deletion, by Argo CD's real controller: each test builds on the last."""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from gitops.argo import NAMESPACE, RESYNC_SECONDS
from gitops.conftest import Delivery, health, message, phase, revision, synced
from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.desired import names

OPERATOR, CRD = "tgi-operator", "tgiendpoints.tgi-operator.dev"
NAMES = ("mistral-7b", "zephyr-7b")
CONFIRMED = "argocd.argoproj.io/deletion-approved"
A_WHILE = 10 * RESYNC_SECONDS


def client(version: str) -> dict[str, Any]:
    """Return an object that needs the endpoints: it is in the wave after them."""
    annotations = {"argocd.argoproj.io/sync-wave": "1"}
    metadata = {"name": "client", "namespace": "ml", "annotations": annotations}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"version": version}}


def endpoint_name(name: str) -> str:
    """Return the name of the AWS endpoint of a TGIEndpoint."""
    return names.endpoint_name(Key("ml", name))


def endpoint(name: str, instance_type: str) -> dict[str, Any]:
    """Return a TGIEndpoint in addition to those of the example."""
    return {
        "apiVersion": "tgi-operator.dev/v1alpha1",
        "kind": "TGIEndpoint",
        "metadata": {"name": name, "namespace": "ml"},
        "spec": {
            "model": {"uri": "hf://HuggingFaceH4/zephyr-7b-beta"},
            "sageMaker": {
                "region": "us-east-1",
                "executionRoleARN": "arn:aws:iam::111122223333:role/tgi-exec-ml",
                "instanceType": instance_type,
            },
        },
    }


def created(found: Mapping[str, Any]) -> str:
    """Return when an object was created."""
    return str(found["metadata"]["creationTimestamp"])


def runs(values: Iterator[str]) -> list[str]:
    """Return values without duplicates."""
    return [value for value, _ in groupby(values)]


def test_a_sync_goes_by_waves_and_what_comes_after_the_endpoints_waits_for_them(delivery: Delivery) -> None:
    delivery.repository.write("client.yaml", client("1"))
    commit = delivery.repository.push("The example")
    delivery.apply()
    delivery.until(lambda: delivery.find("Deployment", OPERATOR) is not None)
    delivery.start_operator()
    seen = []
    for application in delivery.moments(90):
        seen.append({name: health(application, name) for name in NAMES})
        if phase(application) == "Succeeded":
            break
        assert phase(application) in ("", "Running"), delivery.told()
    assert revision(application) == commit
    assert phase(application) == "Succeeded", delivery.told()
    for name in NAMES:
        story = runs(each[name] for each in seen if each[name] not in ("", "Missing"))
        assert story == ["Progressing", "Healthy"]
        ready = next(
            each for each in delivery.get("TGIEndpoint", name)["status"]["conditions"] if each["type"] == "Ready"
        )
        assert created(delivery.get("CustomResourceDefinition", CRD)) < created(delivery.get("Deployment", OPERATOR))
        assert created(delivery.get("Deployment", OPERATOR)) < created(delivery.get("TGIEndpoint", name))
        assert ready["lastTransitionTime"] <= created(delivery.get("ConfigMap", "client"))
    delivery.until_healthy(commit)


def test_what_the_operator_writes_is_no_difference(delivery: Delivery) -> None:
    before = {name: delivery.get("TGIEndpoint", name)["metadata"] for name in NAMES}
    assert all(metadata["finalizers"] for metadata in before.values())
    moments = list(delivery.moments(A_WHILE))
    assert {synced(application) for application in moments} == {"Synced"}
    assert {health(application) for application in moments} == {"Healthy"}
    assert len({application["status"]["reconciledAt"] for application in moments}) > A_WHILE / RESYNC_SECONDS / 2
    assert len({application["status"]["operationState"]["startedAt"] for application in moments}) == 1
    assert {name: delivery.get("TGIEndpoint", name)["metadata"] for name in NAMES} == before
    assert {metadata["generation"] for metadata in before.values()} == {1}


def test_a_number_that_kubectl_scale_set_is_left(delivery: Delivery) -> None:
    delivery.kubectl("scale", "tgi/mistral-7b", "--replicas=3")
    generation = delivery.get("TGIEndpoint", "mistral-7b")["metadata"]["generation"]
    moments = list(delivery.moments(A_WHILE))
    assert {synced(application) for application in moments} == {"Synced"}
    assert delivery.get("TGIEndpoint", "mistral-7b")["metadata"]["generation"] == generation
    assert delivery.get("TGIEndpoint", "mistral-7b")["status"]["readyReplicas"] == 3
    # A sync of another change does not touch it either.
    delivery.repository.write("client.yaml", client("2"))
    commit = delivery.push("Another client")
    delivery.until_synced(commit)
    assert delivery.get("TGIEndpoint", "mistral-7b")["spec"]["replicas"] == 3


def test_without_ignored_differences_self_heal_puts_the_number_of_git_back(delivery: Delivery) -> None:
    delivery.apply(ignoreDifferences=[])
    delivery.until(lambda: delivery.get("TGIEndpoint", "mistral-7b")["spec"]["replicas"] == 1)
    # Argo CD's state of its latest sync is empty while another begins.
    delivery.until_healthy(delivery.repository.head)


def test_a_number_that_git_has_no_more_is_kept_and_another_is_left(delivery: Delivery) -> None:
    delivery.repository.set_replicas("mistral-7b", 2)
    delivery.until_healthy(delivery.push("Two"))
    # It is Healthy all the time: the previous replicas keep serving.
    delivery.until(lambda: delivery.get("TGIEndpoint", "mistral-7b")["status"]["readyReplicas"] == 2)
    delivery.repository.set_replicas("mistral-7b", None)
    commit = delivery.push("Somebody else scales")
    delivery.until_healthy(commit)
    assert "replicas" not in delivery.get("TGIEndpoint", "mistral-7b")["spec"]
    assert delivery.get("TGIEndpoint", "mistral-7b")["status"]["readyReplicas"] == 2
    delivery.kubectl("scale", "tgi/mistral-7b", "--replicas=3")
    moments = list(delivery.moments(A_WHILE))
    assert {synced(application) for application in moments} == {"Synced"}
    assert delivery.get("TGIEndpoint", "mistral-7b")["status"]["readyReplicas"] == 3
    delivery.apply()
    delivery.until_healthy(commit)


def test_a_degraded_endpoint_fails_the_sync_and_a_fix_in_git_heals_it(delivery: Delivery) -> None:
    delivery.aws.control.script(endpoint_name("broken"), "ping_failure", on="create")
    delivery.repository.write("broken.yaml", endpoint("broken", "ml.g5.xlarge"))
    delivery.repository.write("client.yaml", client("3"))
    delivery.push("An endpoint that will not start")
    delivery.until(lambda: health(delivery.application(), "broken") == "Progressing")
    delivery.until(lambda: health(delivery.application(), "broken") == "Degraded", seconds=120)
    delivery.until(lambda: health(delivery.application()) == "Degraded")
    failed = "one or more synchronization tasks completed unsuccessfully"
    delivery.until(lambda: failed in message(delivery.application()))
    assert delivery.get("ConfigMap", "client")["data"] == {"version": "2"}, (
        "it is applied when the endpoint serves, and not before"
    )
    delivery.repository.write("broken.yaml", endpoint("broken", "ml.g5.2xlarge"))
    commit = delivery.push("Another instance")
    delivery.until_healthy(commit)
    assert delivery.get("ConfigMap", "client")["data"] == {"version": "3"}


def test_while_a_sync_waits_a_fix_in_git_waits_too_until_the_sync_is_ended(delivery: Delivery) -> None:
    delivery.aws.control.script(endpoint_name("scarce"), "no_capacity", on="create")
    delivery.repository.write("scarce.yaml", endpoint("scarce", "ml.p4d.24xlarge"))
    delivery.repository.write("client.yaml", client("4"))
    delivery.push("An endpoint of which there is none")
    waiting = "waiting for healthy state of tgi-operator.dev/TGIEndpoint/scarce"
    delivery.until(lambda: waiting in message(delivery.application()))
    delivery.until(lambda: "InsufficientCapacity" in str(delivery.get("TGIEndpoint", "scarce").get("status")))
    delivery.repository.write("scarce.yaml", endpoint("scarce", "ml.g5.2xlarge"))
    commit = delivery.push("Another instance")
    for application in delivery.moments(A_WHILE):
        assert phase(application) == "Running"
        assert health(application, "scarce") == "Progressing"
        assert revision(application) != commit
    # Like `argocd app terminate-op`.
    ended = '{"status": {"operationState": {"phase": "Terminating"}}}'
    delivery.kubectl("patch", "application/tgi", "--type=merge", f"--patch={ended}", namespace=NAMESPACE)
    delivery.until_healthy(commit)


def test_with_nothing_to_do_after_the_endpoints_a_sync_waits_for_none(delivery: Delivery) -> None:
    delivery.repository.remove("client.yaml")
    for name in ("broken", "scarce"):
        delivery.repository.remove(f"{name}.yaml")
    delivery.until_healthy(delivery.push("Fewer"))
    for name in ("broken", "scarce"):
        assert delivery.find("TGIEndpoint", name) is None, "pruned"
        assert delivery.aws.control.endpoint(endpoint_name(name)) is None
    delivery.aws.control.script(endpoint_name("late"), "ping_failure", on="create")
    delivery.repository.write("late.yaml", endpoint("late", "ml.g5.xlarge"))
    delivery.until_synced(delivery.push("Nothing after the endpoints"))
    assert health(delivery.application(), "late") in ("", "Missing", "Progressing")
    delivery.until(lambda: health(delivery.application()) == "Degraded")
    assert (synced(delivery.application()), phase(delivery.application())) == ("Synced", "Succeeded")


def test_deletion_goes_by_waves_and_waits_for_confirmation_and_for_aws(delivery: Delivery) -> None:
    delivery.kubectl("delete", "application/tgi", "--wait=false", namespace=NAMESPACE)
    time.sleep(A_WHILE / 2)
    for name in (*NAMES, "late"):
        assert "deletionTimestamp" not in delivery.get("TGIEndpoint", name)["metadata"], (
            "zephyr-7b has to be confirmed first"
        )
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    delivery.kubectl("annotate", "application/tgi", f"{CONFIRMED}={now}", namespace=NAMESPACE)
    deadline, seen = time.monotonic() + 120, []
    while delivery.find("Application", "tgi"):
        assert time.monotonic() < deadline, delivery.told()
        # Endpoints are deleted first and read last: an endpoint that is found existed when the Deployment was read.
        operator = delivery.find("Deployment", OPERATOR)
        endpoints = [name for name in (*NAMES, "late") if delivery.find("TGIEndpoint", name)]
        seen.append((len(endpoints), operator is not None))
        if endpoints:
            assert operator
            assert "deletionTimestamp" not in operator["metadata"]
        if not operator:
            delivery.stop_operator()
    assert (3, True) in seen
    assert (0, True) in seen
    assert delivery.find("Deployment", OPERATOR) is None
    assert not any(region["endpoints"] for region in delivery.aws.control.state()["regions"])
    assert delivery.aws.control.violations() == []
    # Argo CD prunes a CRD, but does not delete one with an Application.
    assert "deletionTimestamp" not in delivery.get("CustomResourceDefinition", CRD)["metadata"]
