"""The code of docs/call-a-model.md runs: against the AWS emulator, and against a TGI simulator in place of pods."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.desired import names
from tgi_sandbox.aws.server import AwsDouble
from unit.docs import pages
from unit.docs.pages import ROOT, Block

PAGE = ROOT / "docs" / "call-a-model.md"
ENDPOINT = names.endpoint_name(Key("ml", "zephyr-7b"))
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6"
BLOCKS = [block for block in pages.blocks(PAGE) if block.language in ("python", "sh")]
ON_SAGEMAKER = [block for block in BLOCKS if re.search(r'\$ENDPOINT\b|"ENDPOINT"|aws-sigv4', block.text)]
OF_PODS = [block for block in BLOCKS if "http://zephyr-pods.ml.svc" in block.text]
# The command has tests of its own, and the sandbox forwards no ports.
REST = ("tgi-operator invoke", "kubectl ", "export ENDPOINT=$(kubectl ")


def test_every_block_is_run_or_known() -> None:
    assert len(ON_SAGEMAKER) == 4
    assert len(OF_PODS) == 2
    rest = [block for block in BLOCKS if block not in ON_SAGEMAKER and block not in OF_PODS]
    assert all(command.startswith(REST) for block in rest for command in block.commands)
    assert all(block.language == "sh" for block in rest)


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsDouble]:
    with AwsDouble(clock="manual", durations={"create": 1, "delete": 1}) as double:
        client = boto3.client(
            "sagemaker",
            endpoint_url=double.address,
            region_name="us-east-1",
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox",
        )
        environment = {"HF_MODEL_ID": "HuggingFaceH4/zephyr-7b-beta", "SM_NUM_GPUS": "1"}
        client.create_model(
            ModelName="m",
            PrimaryContainer={"Image": IMAGE, "Environment": environment},
            ExecutionRoleArn="arn:aws:iam::111122223333:role/tgi-exec-ml",
        )
        variant = {"VariantName": "AllTraffic", "ModelName": "m", "InstanceType": "ml.g5.2xlarge"}
        client.create_endpoint_config(
            EndpointConfigName="c", ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
        )
        client.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="c")
        double.control.advance(1)
        yield double


@pytest.fixture(scope="module")
def pods() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    command = [sys.executable, "-m", "tgi_sandbox.tgi", "--port", str(port)]
    environment = {"PATH": os.environ["PATH"], "MODEL_ID": "HuggingFaceH4/zephyr-7b-beta", "SANDBOX_TOKEN_DELAY": "0"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 20
        while not is_open(port):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
        process.kill()


def is_open(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def run(block: Block, text: str, environment: dict[str, str], folder: Path) -> str:
    program = [sys.executable, "-c"] if block.language == "python" else ["bash", "-euo", "pipefail", "-c"]
    path = f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [*program, text],
        env={"HOME": str(folder), **environment, "PATH": path},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("block", ON_SAGEMAKER, ids=range(len(ON_SAGEMAKER)))
def test_what_calls_sagemaker_prints_an_answer(aws: AwsDouble, tmp_path: Path, block: Block) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\necho {aws.address}/endpoints/{ENDPOINT}/invocations\n")
    kubectl.chmod(0o755)
    keys = {"AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox", "AWS_SESSION_TOKEN": "sandbox"}
    said = run(block, block.text, {**keys, "ENDPOINT": ENDPOINT, "AWS_ENDPOINT_URL": aws.address}, tmp_path)
    answer = tmp_path / "answer.json"
    assert "deep learning" in (answer.read_text() if answer.exists() else said).lower()


@pytest.mark.parametrize("block", OF_PODS, ids=range(len(OF_PODS)))
def test_what_calls_pods_prints_an_answer(pods: str, tmp_path: Path, block: Block) -> None:
    said = run(block, block.text.replace("http://zephyr-pods.ml.svc", pods), {}, tmp_path)
    assert "deep learning" in said.lower()
    if block.language == "sh":
        assert json.loads(said)["choices"][0]["message"]["content"]


def test_the_endpoint_is_the_one_of_the_example() -> None:
    assert f"`{ENDPOINT}`" in PAGE.read_text()
    assert f'endpoint/{ENDPOINT}"' in PAGE.read_text()
