"""Values of `runtime.env` from Secrets: who gets them, what a change does, and that nothing else shows them."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from simulation.amazon import Fault
from simulation.simulation import KEY, PODS, SPEC, Object, Simulation
from simulation.test_over import CACHED, MINUTE
from simulation.test_pods import CHILDREN, deployment, pods, writes
from simulation.test_stories import CREATES, LONG, is_stalled
from tgi_operator import metrics

NAME = "HTTPS_PROXY"
VALUE = "pa55-word-of-the-proxy"
ROTATED = "r0tated-word-of-the-proxy"
BOTH = pytest.mark.parametrize("spec", [SPEC, PODS], ids=["SageMaker", "pods"])


def using(spec: Mapping[str, Any], name: str = NAME) -> Object:
    """Return the spec with a variable whose value is in a Secret."""
    reference = {"secretKeyRef": {"name": "proxy", "key": "url"}}
    return {**spec, "runtime": {"env": [{"name": name, "valueFrom": reference}]}}


def nothing_was_created(simulation: Simulation) -> bool:
    """Return whether neither AWS nor the cluster has an object of the resource."""
    return not simulation.amazon.made(*CREATES) and not any(simulation.server.objects[each] for each in CHILDREN)


@BOTH
def test_a_value_that_cannot_be_used_costs_nothing_until_it_is_right(
    simulation: Simulation, spec: Mapping[str, Any]
) -> None:
    simulation.apply(using(spec))
    simulation.run_until(lambda: is_stalled(simulation, "SecretNotFound"), within=MINUTE)
    message = simulation.condition("Ready")["message"]
    assert "spec.runtime.env[HTTPS_PROXY]: Secret ml/proxy does not exist; create the Secret" in message
    for data, words in (
        ({"other": VALUE}, "has no value for key 'url'"),
        ({"url": f"{VALUE}\n"}, "starts or ends with whitespace"),
        ({"url": f"{VALUE}\nNUM_SHARD=8"}, "must be one line"),
        ({"url": VALUE * 20_000}, "at most 1024 bytes"),
    ):
        simulation.server.put_secret("ml", "proxy", **data)
        simulation.run(5)
        assert is_stalled(simulation, "SecretKeyNotFound")
        assert words in simulation.condition("Ready")["message"]
        assert "pa55-word" not in json.dumps(simulation.body())
    assert nothing_was_created(simulation)
    simulation.server.put_secret("ml", "proxy", url=VALUE)
    simulation.run_until(simulation.is_ready, within=600)


@BOTH
def test_another_users_secret_is_not_read_into_anything(simulation: Simulation, spec: Mapping[str, Any]) -> None:
    data = {"metadata": {"name": "proxy"}, "type": "Opaque", "data": {"url": "cGE1NS13b3Jk"}}
    simulation.server.create("secrets", "ml", data)
    simulation.apply(using(spec))
    simulation.run(LONG)
    assert is_stalled(simulation, "UseNotAllowed")
    message = simulation.condition("Ready")["message"]
    assert "kubectl label secret proxy -n ml tgi-operator.dev/allow-use=true" in message
    assert nothing_was_created(simulation)
    simulation.server.label("secrets", "ml", "proxy")
    simulation.run_until(simulation.is_ready, within=600)


@BOTH
@pytest.mark.parametrize("name", ["MAX_BATCH_TOTAL_TOKENS", "LORA_ADAPTERS", "PORT", "HF_TOKEN"])
def test_an_option_of_the_launcher_cannot_hide_in_a_secret(
    simulation: Simulation, spec: Mapping[str, Any], name: str
) -> None:
    simulation.server.put_secret("ml", "proxy", url="--max-batch-size 1")
    simulation.apply(using(spec, name))
    simulation.run_until(lambda: is_stalled(simulation, "ConflictingOptions"), within=MINUTE)
    assert f"spec.runtime.env: {name}" in simulation.condition("Ready")["message"]
    assert nothing_was_created(simulation)


def test_sagemaker_gets_the_value_and_a_new_revision_with_a_new_value(simulation: Simulation) -> None:
    simulation.server.put_secret("ml", "proxy", url=VALUE)
    simulation.apply(using(SPEC))
    simulation.run_until(simulation.is_ready, within=600)
    first = simulation.status()["currentRevision"]
    simulation.restart()
    simulation.run(LONG)
    assert simulation.status()["currentRevision"] == first
    simulation.server.put_secret("ml", "proxy", url=ROTATED)
    simulation.run(5)
    simulation.run_until(simulation.is_ready, within=600)
    assert simulation.status()["currentRevision"] != first
    created = [call.request for call in simulation.amazon.calls if call.operation == "CreateModel"]
    values = [request["PrimaryContainer"]["Environment"][NAME] for request in created]
    assert values == [VALUE, ROTATED]


def test_pods_refer_to_the_secret_and_a_new_value_replaces_none(simulation: Simulation) -> None:
    simulation.server.put_secret("ml", "proxy", url=VALUE)
    simulation.apply(using(PODS))
    simulation.run_until(simulation.is_ready, within=180)
    simulation.run(120)
    (container,) = deployment(simulation)["spec"]["template"]["spec"]["containers"]
    assert using(PODS)["runtime"]["env"][0] in container["env"]
    before, since = pods(simulation), len(simulation.server.requests)
    for restarted in (False, True):
        simulation.server.put_secret("ml", "proxy", url=ROTATED + str(restarted))
        if restarted:
            simulation.restart()
        simulation.run(600)
        assert pods(simulation) == before
    assert writes(simulation, since) == []


def test_pods_go_on_serving_without_their_secret(simulation: Simulation) -> None:
    simulation.server.put_secret("ml", "proxy", url=VALUE)
    simulation.apply(using(PODS))
    simulation.run_until(simulation.is_ready, within=180)
    before = pods(simulation)
    simulation.server.delete("secrets", "ml", "proxy")
    simulation.run_until(lambda: is_stalled(simulation, "SecretNotFound"), within=MINUTE)
    simulation.run(LONG)
    assert pods(simulation) == before
    assert simulation.condition("Available")["status"] == "True"
    simulation.server.put_secret("ml", "proxy", url=VALUE)
    simulation.run_until(simulation.is_ready, within=MINUTE)


def test_another_key_fetches_weights_that_the_former_one_could_not(simulation: Simulation) -> None:
    simulation.server.put_secret("ml", "proxy", url="minio-secret")
    simulation.workloads.change(fetch=(3, "SignatureDoesNotMatch"))
    simulation.apply(using(CACHED, "AWS_SECRET_ACCESS_KEY"))
    simulation.run_until(lambda: is_stalled(simulation, "ModelDownloadFailed"), within=600)
    simulation.run(LONG)
    assert is_stalled(simulation, "ModelDownloadFailed"), "nothing has changed"
    simulation.workloads.change(fetch=None)
    simulation.server.put_secret("ml", "proxy", url="minio-secret-2")
    simulation.run_until(simulation.is_ready, within=600)
    since = len(simulation.server.requests)
    simulation.server.put_secret("ml", "proxy", url="minio-secret-3")
    simulation.run(LONG)
    assert writes(simulation, since) == [], "what is fetched stays"


def shown(simulation: Simulation, caplog: pytest.LogCaptureFixture) -> str:
    """Return everything that users and administrators can see, except the environment on SageMaker."""
    objects = {name: found for name, found in simulation.server.objects.items() if name not in ("secrets", "pods")}
    return f"{objects} {caplog.text} {metrics.exposition([(*KEY, simulation.status())])!r}"


def told(simulation: Simulation, caplog: pytest.LogCaptureFixture) -> None:
    """Check that the problem is reported without the value, in any of its forms."""
    text = shown(simulation, caplog)
    assert "[redacted]" in text
    for secret in (VALUE, "pa55-word", ROTATED, "r0tated-word"):
        assert secret not in text


def test_aws_quotes_a_value_that_nobody_sees(simulation: Simulation, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "tgi_operator")
    simulation.server.put_secret("ml", "proxy", url=VALUE)
    simulation.amazon.fail(Fault("ValidationException", f"Value '{VALUE}' at 'environment' is invalid"), "CreateModel")
    simulation.apply(using(SPEC))
    simulation.run_until(lambda: is_stalled(simulation, "RejectedByAWS"), within=600)
    simulation.server.put_secret("ml", "proxy", url=ROTATED)
    simulation.run(600)
    told(simulation, caplog)
    simulation.amazon.mend("CreateModel")
    simulation.annotate(KEY, requestedAt="1")
    simulation.run_until(simulation.is_ready, within=900)
    told(simulation, caplog)


@pytest.mark.parametrize("spec", [PODS, CACHED], ids=["TGI", "the Job"])
def test_a_container_prints_a_value_that_nobody_sees(
    simulation: Simulation, caplog: pytest.LogCaptureFixture, spec: Mapping[str, Any]
) -> None:
    caplog.set_level(logging.DEBUG, "tgi_operator")
    simulation.server.put_secret("ml", "proxy", url=VALUE)
    said = f"cannot connect to proxy {VALUE}; {VALUE[:9]} is wrong"
    simulation.workloads.change(crash=(1, said), fetch=(3, said))
    simulation.apply(using(spec))
    for value in (VALUE, ROTATED):
        simulation.server.put_secret("ml", "proxy", url=value)
        simulation.run(600)
        told(simulation, caplog)
    # Nor while the spec has a problem, so that the operator does not read the Secret.
    simulation.server.delete("secrets", "ml", "proxy")
    for restarted in (False, True):
        if restarted:
            simulation.restart()
        simulation.run(600)
        told(simulation, caplog)
