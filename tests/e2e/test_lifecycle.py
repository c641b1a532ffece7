"""The whole life cycle, as a user sees it: apply, wait, send a prompt, change, delete."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.conftest import FALCON, Cloud, until
from tgi_operator.api.identifiers import LABEL_ALLOW_USE

pytestmark = pytest.mark.installation("sageMaker")

NEW = {**FALCON, "runtime": {"maxInputTokens": 1024, "maxTotalTokens": 2048}}


def invoke(cloud: Cloud, *arguments: str) -> str:
    """Run `tgi-operator invoke`; return the answer."""
    command = [str(Path(sys.executable).with_name("tgi-operator")), "invoke", "-n", cloud.namespace, *arguments]
    environment = {**os.environ, **cloud.aws.environment, "KUBECONFIG": str(cloud.plane.kubeconfig)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def events(cloud: Cloud) -> set[str]:
    """Return the reasons of the Events."""
    return set(cloud.kubectl("get", "events", "-o", "jsonpath={.items[*].reason}").split())


def test_a_resource_becomes_an_endpoint_that_answers(cloud: Cloud) -> None:
    since = len(cloud.control.requests())
    cloud.apply("falcon-7b", FALCON)
    cloud.wait_ready("falcon-7b")
    assert {
        name: cloud.accepted(name, since) for name in ("CreateModel", "CreateEndpointConfig", "CreateEndpoint")
    } == {
        "CreateModel": 1,
        "CreateEndpointConfig": 1,
        "CreateEndpoint": 1,
    }
    about = [request for request in cloud.control.requests(since) if request.name.startswith(cloud.namespace)]
    assert len(about) <= 8, [request.operation for request in about]
    columns = cloud.kubectl("get", "tgi").splitlines()
    assert columns[0].split() == ["NAME", "READY", "REASON", "STATUS", "MODEL", "ON"]
    assert columns[1].split() == ["falcon-7b", "True", "InService", "1/1", "falcon-7b-instr…", "g5.12xlarge"]
    until(lambda: events(cloud) == {"Creating", "InService"}, lambda: str(events(cloud)), 10)
    question = "What is deep learning?"
    assert "deep learning" in invoke(cloud, "falcon-7b", question)
    assert invoke(cloud, "falcon-7b", question, "--no-stream") == invoke(cloud, "falcon-7b", question)
    assert invoke(cloud, "falcon-7b", question, "--chat") == invoke(
        cloud, "falcon-7b", question, "--chat", "--no-stream"
    )


def test_an_update_rolled_back_is_shown_and_not_repeated(cloud: Cloud) -> None:
    cloud.apply("falcon-7b", FALCON)
    cloud.wait_ready("falcon-7b")
    cloud.control.script(cloud.endpoint_name("falcon-7b"), "rollback", on="update")
    cloud.apply("falcon-7b", NEW)
    stalled = cloud.wait_reason("falcon-7b", "Stalled", "UpdateRolledBack")
    assert "To retry, change the spec or set the tgi-operator.dev/requestedAt annotation" in stalled["message"]
    assert cloud.condition("falcon-7b", "Available")["status"] == "True"
    assert "timed out" in cloud.kubectl("wait", "--for=condition=Ready", "tgi/falcon-7b", "--timeout=3s", check=False)
    assert cloud.accepted("UpdateEndpoint") == 1
    cloud.apply("falcon-7b", {**NEW, "runtime": {"maxTotalTokens": 4096}})
    cloud.wait_ready("falcon-7b")
    assert len(cloud.leftovers()) == 3


def test_a_container_that_does_not_start_is_explained(cloud: Cloud) -> None:
    broken = {**FALCON, "runtime": {"env": [{"name": "ROPE_FACTOR", "value": "2"}]}}
    cloud.control.script(cloud.endpoint_name("falcon-7b"), "ping_failure")
    cloud.apply("falcon-7b", broken)
    stalled = cloud.wait_reason("falcon-7b", "Stalled", "ContainerNotHealthy")
    assert "did not pass the ping health check" in stalled["message"]
    assert cloud.accepted("CreateEndpoint") == 1
    cloud.apply("falcon-7b", FALCON)
    cloud.wait_ready("falcon-7b")


def test_scale_is_one_call_and_ready_stays(cloud: Cloud) -> None:
    cloud.apply("falcon-7b", {**FALCON, "replicas": 1})
    cloud.wait_ready("falcon-7b")
    cloud.kubectl("scale", "tgi/falcon-7b", "--replicas=3")
    cloud.wait_ready("falcon-7b")
    until(lambda: cloud.get("falcon-7b")["status"]["readyReplicas"] == 3, lambda: str(cloud.get("falcon-7b")["status"]))
    assert cloud.accepted("UpdateEndpoint") == 0
    assert cloud.accepted("UpdateEndpointWeightsAndCapacities") == 1


def test_a_token_is_taken_from_the_secret_and_shown_nowhere(cloud: Cloud) -> None:
    token = "hf_verysecrettoken"
    spec = {**FALCON, "model": {**FALCON["model"], "tokenSecretRef": {"name": "hub", "key": "token"}}}
    cloud.apply("falcon-7b", spec)
    cloud.wait_reason("falcon-7b", "Stalled", "SecretNotFound")
    assert cloud.leftovers() == []
    cloud.kubectl("create", "secret", "generic", "hub", f"--from-literal=token={token}")
    cloud.wait_reason("falcon-7b", "Stalled", "UseNotAllowed")
    assert cloud.leftovers() == []
    cloud.kubectl("label", "secret", "hub", f"{LABEL_ALLOW_USE}=true")
    cloud.wait_ready("falcon-7b")
    first = cloud.get("falcon-7b")["status"]["currentRevision"]
    state = cloud.control.state()
    models = {name: model for region in state["regions"] for name, model in region["models"].items()}
    (name,) = [name for name in models if name.startswith(cloud.namespace)]
    assert models[name]["PrimaryContainer"]["Environment"]["HF_TOKEN"] == token
    change = '{"stringData":{"token":"hf_another"}}'
    cloud.kubectl("patch", "secret", "hub", "--type=merge", "-p", change)
    until(lambda: cloud.get("falcon-7b")["status"].get("currentRevision") != first, lambda: "no new revision")
    cloud.wait_ready("falcon-7b")
    shown = cloud.kubectl("get", "tgi,events", "-o", "yaml") + cloud.operator.log.read_text()
    assert token not in shown
    assert "hf_another" not in shown


def test_deletion_leaves_nothing_and_waits_for_aws(cloud: Cloud) -> None:
    cloud.apply("falcon-7b", FALCON)
    cloud.wait_reason("falcon-7b", "Reconciling", "Creating")
    cloud.kubectl("delete", "tgi", "falcon-7b", "--timeout=60s")
    assert cloud.leftovers() == []
    assert cloud.accepted("CreateEndpoint") == cloud.accepted("DeleteEndpoint") == 1


def test_an_endpoint_deleted_by_hand_is_back_within_a_sweep(cloud: Cloud) -> None:
    cloud.apply("falcon-7b", FALCON)
    cloud.wait_ready("falcon-7b")
    cloud.sagemaker().delete_endpoint(EndpointName=cloud.endpoint_name("falcon-7b"))
    until(lambda: cloud.accepted("CreateEndpoint") == 2, lambda: str(cloud.get("falcon-7b")["status"]))
    cloud.wait_ready("falcon-7b")


def test_tags_taken_away_are_put_right(cloud: Cloud) -> None:
    cloud.apply("falcon-7b", FALCON)
    cloud.wait_ready("falcon-7b")
    client, arn = cloud.sagemaker(), cloud.get("falcon-7b")["status"]["sageMaker"]["endpointARN"]
    before = client.list_tags(ResourceArn=arn)["Tags"]
    client.delete_tags(ResourceArn=arn, TagKeys=[tag["Key"] for tag in before])
    until(lambda: client.list_tags(ResourceArn=arn)["Tags"] == before, lambda: "the tags did not come back")


def test_an_endpoint_of_somebody_else_is_left_alone(cloud: Cloud) -> None:
    client = cloud.sagemaker()
    name = cloud.endpoint_name("theirs")
    role = FALCON["sageMaker"]["executionRoleARN"]
    image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/other:1"
    client.create_model(ModelName=name, PrimaryContainer={"Image": image}, ExecutionRoleArn=role)
    variant = {"VariantName": "v", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    cloud.apply("theirs", FALCON)
    cloud.wait_reason("theirs", "Stalled", "NotOwned")
    cloud.kubectl("delete", "tgi", "theirs", "--timeout=30s")
    assert cloud.leftovers() == [name] * 3
    until(lambda: (cloud.endpoint("theirs") or {})["EndpointStatus"] == "InService", lambda: "never in service")
    client.delete_endpoint(EndpointName=name)
    until(lambda: cloud.endpoint("theirs") is None, lambda: "never gone")
    client.delete_endpoint_config(EndpointConfigName=name)
    client.delete_model(ModelName=name)


def test_probes_and_metrics_tell_the_truth(cloud: Cloud) -> None:
    cloud.apply("falcon-7b", FALCON)
    cloud.wait_ready("falcon-7b")
    metrics = cloud.operator.metrics()
    assert metrics['tgi_operator_endpoints{reason="InService"}'] >= 1
    assert metrics['tgi_operator_aws_calls_total{operation="CreateEndpoint",result="OK"}'] >= 1
    assert metrics['tgi_operator_kubernetes_writes_total{kind="status"}'] >= 2
    assert metrics["tgi_operator_reconcile_seconds_count"] >= 2
    assert metrics["tgi_operator_queue_depth"] == 0
