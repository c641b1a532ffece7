"""The network's handling of pods, connections and logs."""

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest

from tgi_operator.settings import Settings
from tgi_sandbox.cluster.network import stand_ins
from tgi_sandbox.cluster.network.environment import environment, port_of
from tgi_sandbox.cluster.network.kubelet import cut
from tgi_sandbox.cluster.network.operators import is_operator
from tgi_sandbox.cluster.network.pod import Container, Pod
from tgi_sandbox.cluster.network.pods import Pods
from tgi_sandbox.cluster.network.refusals import verdict
from tgi_sandbox.cluster.network.tunnels import UnreachableError, listen
from tgi_sandbox.cluster.ports import LOOPBACK, abstract, is_bound
from tgi_sandbox.cluster.script import Outcome, annotations


def _pod(
    container: dict[str, Any] | None = None,
    scripted: dict[str, str] | None = None,
    uid: str = "1",
    address: str | None = None,
) -> Pod:
    metadata = {"namespace": "default", "name": "tgi", "uid": uid, "annotations": scripted or {}}
    status = {} if address is None else {"podIP": address}
    return Pod({"metadata": metadata, "spec": {"containers": [{"name": "tgi", **(container or {})}]}, "status": status})


def _env(**variables: str) -> dict[str, Any]:
    return {"env": [{"name": name, "value": value} for name, value in variables.items()]}


def _environment(spec: dict[str, Any]) -> dict[str, str] | None:
    return environment(Container({"name": "tgi", **spec}, {}), lambda name, key: f"{key} of {name}")


def test_environment_of_a_container() -> None:
    spec = _env(MODEL_ID="acme/model", PORT="8080")
    spec["env"] += [
        {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}},
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "EMPTY"},
    ]
    spec["resources"] = {"limits": {"nvidia.com/gpu": "2"}}
    assert _environment(spec) == {
        "MODEL_ID": "acme/model",
        "PORT": "8080",
        "HF_TOKEN": "token of hub",
        "EMPTY": "",
        "NVIDIA_VISIBLE_DEVICES": "0,1",
        "SANDBOX_GPUS": "2",
    }


@pytest.mark.parametrize(
    "spec",
    [
        {"args": ["--model-id", "acme/model", "--json-output", "--max-input-tokens=5"]},
        {"command": ["/tgi-entrypoint.sh"], "args": ["--json-output", "--model-id=acme/model"]}
        | _env(MAX_INPUT_TOKENS="5"),
        {"command": ["text-generation-launcher", "--max-input-tokens", "5", "--model-id", "acme/model"]}
        | _env(JSON_OUTPUT="true", MODEL_ID="acme/other"),
    ],
)
def test_arguments_of_the_launcher_are_its_variables(spec: dict[str, Any]) -> None:
    found = _environment(spec)
    assert found is not None
    wanted = {"MODEL_ID": "acme/model", "JSON_OUTPUT": "true", "MAX_INPUT_TOKENS": "5"}
    assert found.items() >= wanted.items()


@pytest.mark.parametrize(
    "spec",
    [
        {},
        _env(PORT="80"),
        _env(MODEL_ID="acme/model") | {"command": ["text-generation-server", "download-weights"]},
    ],
)
def test_container_that_runs_something_else_has_no_launcher(spec: dict[str, Any]) -> None:
    assert _environment(spec) is None
    assert port_of(Container({"name": "tgi", **spec}, {})) is None


def test_launcher_listens_on_its_images_port_unless_told_otherwise() -> None:
    assert port_of(Container({"name": "tgi", **_env(MODEL_ID="acme/model")}, {})) == 80
    assert port_of(Container({"name": "tgi", **_env(MODEL_ID="acme/model", PORT="8080")}, {})) == 8080


@pytest.mark.parametrize(
    ("status", "over"),
    [
        ({}, False),
        ({"restartCount": 1, "state": {"running": {}}}, False),
        ({"restartCount": 1, "state": {"terminated": {}}}, True),
        ({"restartCount": 1, "state": {"waiting": {}}}, True),
        ({"restartCount": 2, "state": {"running": {}}}, True),
        ({"restartCount": 0, "state": {"terminated": {}}}, False),
    ],
)
def test_life_of_a_container_is_over_when_it_ended_or_the_next_began(status: dict[str, Any], over: bool) -> None:
    assert Container({"name": "tgi"}, status).is_over(restarts=1) is over


def test_pod_is_refused_in_the_launchers_words() -> None:
    refused = verdict(_pod(_env(MODEL_ID="acme/model", VALIDATION_WORKERS="0")))
    words = 'Error: ArgumentValidation("`validation_workers` must be > 0")'
    assert refused == annotations(Outcome.CRASH_LOOP, exit_code=1, logs=words)


@pytest.mark.parametrize(
    "pod",
    [
        _pod(_env(MODEL_ID="acme/model")),
        _pod(_env(VALIDATION_WORKERS="0")),
        _pod(_env(MODEL_ID="acme/model", VALIDATION_WORKERS="0"), annotations(Outcome.OK)),
    ],
    ids=["accepted", "not TGI", "the user has decided"],
)
def test_pod_is_left_alone(pod: Pod) -> None:
    assert verdict(pod) == {}


def test_gated_model_needs_a_token_whatever_it_is() -> None:
    token = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}
    spec = _env(MODEL_ID="acme/gated-model")
    assert "GatedRepoError" in str(verdict(_pod(spec)))
    assert verdict(_pod({"env": [*spec["env"], token]})) == {}


def test_address_belongs_to_the_pod_that_has_it_now() -> None:
    pods = Pods()
    first, second = _pod(uid="1", address="10.128.1.1"), _pod(uid="2", address="10.128.1.1")
    pods.add(first)
    assert pods.at("10.128.1.1") == first
    pods.add(second)
    pods.remove(first)
    assert pods.at("10.128.1.1") == second
    assert pods.uids == {"2"}
    pods.replace([])
    assert pods.at("10.128.1.1") is None


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({}, "one\ntwo\nthrée\n"),
        ({"tailLines": "2"}, "two\nthrée\n"),
        ({"tailLines": "0"}, ""),
        ({"tailLines": "9"}, "one\ntwo\nthrée\n"),
        ({"limitBytes": "5"}, "one\nt"),
        ({"tailLines": "1", "limitBytes": "4"}, "thr"),
        ({"follow": "true"}, "one\ntwo\nthrée\n"),
    ],
)
def test_part_of_a_log(query: dict[str, str], text: str) -> None:
    assert cut("one\ntwo\nthrée\n", query) == text


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()


async def _ask(request: bytes, route: Callable[[str, int], Any]) -> bytes:
    name = f"@tgi-sandbox-test-{os.getpid()}"
    async with await listen(name, route):
        assert await asyncio.to_thread(is_bound, name)
        reader, writer = await asyncio.open_unix_connection(abstract(name))
        writer.write(request)
        answer = await reader.read()
        writer.close()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
    return answer


async def test_tunnel_passes_bytes_both_ways_and_ends_with_the_far_side() -> None:
    asked = []
    async with await asyncio.start_server(_echo, LOOPBACK, 0) as far:
        port: int = far.sockets[0].getsockname()[1]

        async def route(host: str, asked_port: int) -> int:
            asked.append((host, asked_port))
            return port

        answer = await _ask(b"CONNECT 10.128.1.1:80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nhello\n", route)
    assert answer == b"HTTP/1.1 200 Connection established\r\n\r\nhello\n"
    assert asked == [("10.128.1.1", 80)]


async def test_tunnel_that_leads_nowhere_says_why() -> None:
    async def route(host: str, _: int) -> int:
        raise UnreachableError(f"no pod has\nthe address {host}")

    answer = await _ask(b"CONNECT 10.128.1.1:80 HTTP/1.1\r\n\r\n", route)
    assert answer.startswith(b"HTTP/1.1 502 no pod has the address 10.128.1.1\r\n")
    assert b"only CONNECT" in await _ask(b"GET / HTTP/1.1\r\n\r\n", route)


OPERATOR = {"image": "registry:5000/team/tgi-operator:0.1.0"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (OPERATOR, True),
        ({"image": "tgi-operator@sha256:0123"}, True),
        (OPERATOR | {"args": ["run"]}, True),
        (OPERATOR | {"args": ["fetch", "hf://a/b", "/models"]}, False),
        (OPERATOR | {"command": ["sleep"]}, False),
        ({"image": "registry/tgi-operator-docs:1"}, False),
    ],
)
def test_which_containers_are_the_operator(spec: dict[str, Any], expected: bool) -> None:
    assert is_operator(Container({"name": "x", **spec}, {})) is expected


def test_the_port_of_an_operator() -> None:
    assert stand_ins.port_of(Container({"name": "x", **OPERATOR}, {})) == Settings().http_port
    changed = OPERATOR | _env(TGI_OPERATOR_HTTP_PORT="9000")
    assert stand_ins.port_of(Container({"name": "x", **changed}, {})) == 9000
