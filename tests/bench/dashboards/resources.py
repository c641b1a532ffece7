"""What is applied in the life of the operator, and what its pods are asked. Pure."""

from collections.abc import Mapping
from typing import Any

import yaml

from tgi_sandbox.cluster.script import PREFIX

Spec = Mapping[str, Any]
Body = Mapping[str, Any]


def manifest(namespace: str, name: str, spec: Spec) -> str:
    """Return the manifest of a TGIEndpoint."""
    meta = {"name": name, "namespace": namespace}
    kind = {"apiVersion": "tgi-operator.dev/v1alpha1", "kind": "TGIEndpoint"}
    return yaml.safe_dump({**kind, "metadata": meta, "spec": dict(spec)})


def sagemaker(instance: str = "ml.g5.12xlarge", **spec: Any) -> Spec:
    """Return a spec on SageMaker."""
    account = {"region": "eu-west-1", "executionRoleARN": "arn:aws:iam::111122223333:role/tgi-exec"}
    return {
        "model": {"uri": "hf://tiiuae/falcon-7b-instruct"},
        "sageMaker": {**account, "instanceType": instance},
        **spec,
    }


def autoscaled(instance: str = "ml.g5.12xlarge") -> Spec:
    """Return one whose number of instances follows the load."""
    metrics = [{"type": "ConcurrentRequests", "target": {"averageValue": 5}}]
    return sagemaker(instance, autoscaling={"minReplicas": 1, "maxReplicas": 4, "metrics": metrics})


def pods(image: str | None = None, gpus: int = 1) -> Spec:
    """Return a spec of pods."""
    runtime: dict[str, Any] = {"maxInputTokens": 1024, "maxTotalTokens": 2048}
    return {
        "model": {"uri": "hf://HuggingFaceH4/zephyr-7b-beta"},
        "runtime": {**runtime, "image": image} if image else runtime,
        "inCluster": {
            "gpu": {"count": gpus, "products": ["NVIDIA-A10G"]},
            "resources": {"requests": {"ephemeral-storage": "1Gi"}},
        },
    }


ZEPHYR: Spec = {
    **pods(),
    "runtime": {
        "maxInputTokens": 1024,
        "maxTotalTokens": 2048,
        "maxConcurrentRequests": 32,
        # A handful of clients make a queue.
        "env": [{"name": "MAX_BATCH_SIZE", "value": "3"}],
    },
    "autoscaling": {
        "minReplicas": 1,
        "maxReplicas": 4,
        "metrics": [{"type": "QueueDepth", "target": {"averageValue": 5}}],
        "behavior": {"scaleUp": {"stabilizationWindowSeconds": 0}, "scaleDown": {"stabilizationWindowSeconds": 10}},
    },
    "inCluster": {
        **pods()["inCluster"],
        "podTemplate": {"metadata": {"annotations": {f"{PREFIX}start-seconds": "5"}}},
    },
}
"""Pods that follow their queue within seconds."""

PODS = "zephyr-pods"
CHATS = [f"chat-{number}" for number in range(6)]
LARGE = ["large-0", "large-1"]
FALCONS = [f"falcon-{number:02d}" for number in range(50)]
FIRST: Mapping[str, Spec] = {
    PODS: ZEPHYR,
    **dict.fromkeys(CHATS, autoscaled()),
    **dict.fromkeys(LARGE, autoscaled("ml.g5.24xlarge")),
    **dict.fromkeys(FALCONS, sagemaker()),
}
CHANGED = sagemaker(runtime={"env": [{"name": "CUDA_GRAPHS", "value": "1,2,4"}]})
UNHEALTHY = [f"unhealthy-{number}" for number in range(3)]
SCARCE = [f"scarce-{number}" for number in range(4)]
SECOND: Mapping[str, Spec] = {
    **dict.fromkeys(FALCONS, sagemaker()),
    **dict.fromkeys(UNHEALTHY, sagemaker()),
    **dict.fromkeys(SCARCE, sagemaker("ml.g5.48xlarge")),
    "unknown-version": sagemaker(runtime={"version": "9.9.9"}),
    "pods-without-image": pods(image="ghcr.io/huggingface/text-generation-inference:does-not-exist"),
    "pods-without-node": pods(gpus=8),
}

QUESTIONS: list[Body] = [{"inputs": "What is deep learning?", "parameters": {"max_new_tokens": 50}}] * 48
LETTERS: list[Body] = [
    {"inputs": "Dear sir, " * 20 * n, "parameters": {"max_new_tokens": 20 * n}} for n in range(1, 13)
]
MISTAKES: list[Body] = [{"inputs": ""}] * 12
