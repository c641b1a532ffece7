"""`kubectl get tgi` on a real API server: its output, which fits into 100 columns."""

import subprocess
from typing import Any

from tgi_operator.api.reasons import Reason
from tgi_operator.api.spec import Spec
from tgi_operator.api.status import ConditionStatus, Status
from tgi_operator.api.summary import with_summary
from tgi_operator.backends.plans import verdicts
from tgi_operator.backends.plans.verdicts import Verdict
from tgi_sandbox.cluster import ControlPlane, build

WIDTH = 100
NOW = "2026-01-01T00:00:00Z"
UNREADABLE = Verdict(ConditionStatus.UNKNOWN, ConditionStatus.UNKNOWN, Reason.AWS_UNAVAILABLE, "AWS is not readable.")

OK, WAIT, ACT = verdicts.serving, verdicts.progressing, verdicts.stalled
ENDPOINTS: list[tuple[str, str, str | dict[str, Any], Verdict, int, int | None]] = [
    ("zephyr-7b", "hf://HuggingFaceH4/zephyr-7b-beta", "ml.g5.2xlarge", OK(Reason.IN_SERVICE, "1/1"), 1, 1),
    ("mistral", "hf://mistralai/Mistral-7B-Instruct-v0.3", "ml.g5.2xlarge", OK(Reason.IN_SERVICE, "2/2"), 2, 2),
    ("llama-3-3-70b", "hf://meta-llama/Llama-3.3-70B-Instruct", "ml.p4d.24xlarge", OK(Reason.SCALING, "1/4"), 1, 4),
    ("llama-8b", "hf://meta-llama/Llama-3.1-8B-Instruct", "ml.g6e.12xlarge", UNREADABLE, 1, 1),
    ("deepseek-r1-70b", "hf://deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "ml.p4de.24xlarge", WAIT(
        Reason.INSUFFICIENT_CAPACITY, "no instances", available=False), 0, 1),
    ("mixtral-8x7b", "hf://mistralai/Mixtral-8x7B-Instruct-v0.1", "ml.g5.48xlarge", ACT(
        Reason.QUOTA_EXCEEDED, "quota", available=False), 0, 2),
    ("qwen-32b", "hf://Qwen/Qwen2.5-32B-Instruct-AWQ", "ml.g5.12xlarge", ACT(
        Reason.INVALID_EXECUTION_ROLE, "role", available=False), 0, 1),
    ("sqlcoder", "s3://company-model-weights/sqlcoder-7b-2/", "ml.g5.xlarge", ACT(
        Reason.MODEL_DATA_NOT_READABLE, "weights", available=False), 0, 1),
    ("falcon-chat", "hf://tiiuae/falcon-7b-instruct", "ml.g5.12xlarge", ACT(
        Reason.UPDATE_ROLLBACK_FAILED, "rollback", available=True), 2, 3),
    ("phi-4", "hf://microsoft/phi-4", "ml.m5.large", ACT(
        Reason.UNSUPPORTED_INSTANCE_TYPE, "no GPU", available=False), 0, None),
    ("gemma-eu", "hf://google/gemma-2-9b-it", "ml.g6.xlarge", ACT(Reason.UNKNOWN_REGION, "region", available=False),
     0, None),
    ("codellama", "hf://codellama/CodeLlama-34b-Instruct-hf", "ml.g5.24xlarge", WAIT(
        Reason.CREATING, "creating", available=False), 0, 1),
    ("starcoder2", "hf://bigcode/starcoder2-15b", "ml.g6.12xlarge", verdicts.overdue(
        WAIT(Reason.UPDATING, "updating", available=True), "8 hours"), 1, 1),
    ("granite-test", "hf://ibm-granite/granite-3.1-8b-instruct", "ml.g6e.xlarge", WAIT(
        Reason.DELETING, "deleting", available=True), 1, 1),
    ("llama-70b-pods", "hf://meta-llama/Llama-3.3-70B-Instruct", {
        "gpu": {"count": 8, "products": ["NVIDIA-H100-80GB-HBM3"]}}, OK(Reason.IN_SERVICE, "2/2"), 2, 2),
    ("zephyr-l4", "hf://HuggingFaceH4/zephyr-7b-beta", {
        "gpu": {"products": ["NVIDIA-L4"]}}, WAIT(Reason.UNSCHEDULABLE, "no room", available=False), 0, 1),
    ("qwen-offline", "pvc://team-weights/qwen/Qwen2.5-7B-Instruct", {
        "gpu": {"count": 2}}, ACT(Reason.CRASH_LOOP_BACK_OFF, "exit code 1", available=False), 0, 1),
    ("mistral-nemo", "hf://mistralai/Mistral-Nemo-Instruct-2407", {
        "gpu": {"products": ["NVIDIA-L40S"]}}, WAIT(Reason.FETCHING_WEIGHTS, "fetching", available=False), 0, 1),
    ("idle", "hf://HuggingFaceH4/zephyr-7b-beta", {}, Verdict(
        ConditionStatus.TRUE, ConditionStatus.FALSE, Reason.SCALED_TO_ZERO, "0 replicas"), 0, 0),
    ("gated-llama", "hf://meta-llama/Meta-Llama-3-8B-Instruct", {
        "gpu": {"products": ["NVIDIA-A100-SXM4-80GB"]}}, ACT(Reason.SECRET_KEY_NOT_FOUND, "key", available=False),
     0, None),
]  # fmt: skip


def create(control_plane: ControlPlane, namespace: str) -> None:
    """Create the resources, with the status that the operator writes for them."""
    path = f"/apis/tgi-operator.dev/v1alpha1/namespaces/{namespace}/tgiendpoints"
    sage_maker = {"region": "eu-west-1", "executionRoleARN": "arn:aws:iam::111122223333:role/tgi-exec"}
    for name, uri, target, verdict, ready, desired in ENDPOINTS:
        block: dict[str, Any] = {"inCluster": target}
        if isinstance(target, str):
            block = {"sageMaker": {**sage_maker, "instanceType": target}}
        spec = {"model": {"uri": uri}, **block}
        status = verdicts.with_verdict(
            Status(), 1, verdict, NOW, replicas=ready, ready_replicas=ready, desired_replicas=desired
        )
        shown = with_summary(status, Spec.model_validate(spec)).model_dump(
            mode="json", by_alias=True, exclude_none=True
        )
        body = {"apiVersion": "tgi-operator.dev/v1alpha1", "kind": "TGIEndpoint", "metadata": {"name": name}}
        created = control_plane.api.request("POST", path, {**body, "spec": spec})
        control_plane.api.request("PUT", f"{path}/{name}/status", created | {"status": shown})


def get(control_plane: ControlPlane, namespace: str, *arguments: str) -> list[str]:
    """Return the lines of `kubectl get tgi`."""
    program = build.ensure(["kubectl"])["kubectl"]
    where = ("--kubeconfig", str(control_plane.kubeconfig), "--namespace", namespace)
    command = [str(program), *where, "get", "tgi", *arguments]
    table: str = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return table.splitlines()


def test_twenty_resources_fit_into_100_columns(control_plane: ControlPlane, namespace: str) -> None:
    create(control_plane, namespace)
    lines = get(control_plane, namespace)
    assert len(lines) == 1 + 20
    assert max(map(len, lines)) <= WIDTH, "\n".join(lines)
    assert lines[0].split() == ["NAME", "READY", "REASON", "STATUS", "MODEL", "ON"]
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in lines[1:]}
    assert rows["zephyr-7b"] == "True InService 1/1 zephyr-7b-beta g5.2xlarge"
    assert rows["mixtral-8x7b"] == "False QuotaExceeded 0/2 act Mixtral-8x7B-In… g5.48xlarge"
    assert rows["deepseek-r1-70b"] == "False InsufficientCapacity 0/1 wait DeepSeek-R1-Dis… p4de.24xlarge"
    assert rows["zephyr-l4"] == "False Unschedulable 0/1 wait zephyr-7b-beta 1 L4"
    assert rows["gated-llama"] == "False SecretKeyNotFound act Meta-Llama-3-8B… 1 A100-SXM4-…"

    header, *_ = get(control_plane, namespace, "-o", "wide")
    wide = ["AVAILABLE", "BACKEND", "REVISION", "MIN", "MAX", "AGE", "URI", "URL", "MESSAGE"]
    assert header.split() == [*lines[0].split(), *wide]
