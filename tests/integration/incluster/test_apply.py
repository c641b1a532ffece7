"""What is rendered on a real API server: taken as it is, found again as it was, and changes of others noticed."""

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes.aio import config
from kubernetes.aio.client.configuration import Configuration

from tgi_operator.api.spec import Spec
from tgi_operator.api.status import Status
from tgi_operator.backends.incluster.desired import render
from tgi_operator.backends.incluster.desired.strategy import SURGE, asked
from tgi_operator.backends.incluster.kinds import Object, kind_of
from tgi_operator.backends.incluster.seen.coverage import covers
from tgi_operator.backends.resource import Owner, Resource
from tgi_operator.kube import Kube
from tgi_sandbox.cluster import ControlPlane

SMALLEST: dict[str, Any] = {"model": {"uri": "hf://HuggingFaceH4/zephyr-7b-beta"}, "inCluster": {}}

EVERYTHING: dict[str, Any] = {
    "model": {
        "uri": "hf://meta-llama/Llama-3.1-8B-Instruct",
        "revision": "0e9e39f249a16976918f6564b8830bc894c89659",
        "tokenSecretRef": {"name": "hub", "key": "token"},
    },
    "runtime": {
        "version": "3.3.6",
        "dtype": "bfloat16",
        "maxInputTokens": 4096,
        "maxTotalTokens": 8192,
        "trustRemoteCode": False,
        "env": [{"name": "CUDA_MEMORY_FRACTION", "value": "0.9"}, {"name": "EMPTY_LOOKING", "value": "$(PORT)"}],
    },
    "replicas": 2,
    "rollout": {"maxSurge": "25%", "maxUnavailable": 0, "progressDeadlineSeconds": 4000},
    "inCluster": {
        "gpu": {"count": 2, "products": ["NVIDIA-L40S", "NVIDIA-L4"]},
        "resources": {"requests": {"cpu": "1500m", "memory": "0.5Gi"}, "limits": {"cpu": 4, "memory": "24576Mi"}},
        "sharedMemorySize": "2048Mi",
        "cache": {"size": "0.5Ti", "storageClassName": "efs", "subPath": "llama/8b"},
        "startupTimeoutSeconds": 61,
        "nodeSelector": {"pool": "gpu"},
        "tolerations": [
            {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0},
            {"operator": "Exists", "effect": "PreferNoSchedule"},
        ],
        "topologySpreadConstraints": [{"topologyKey": "topology.kubernetes.io/zone"}],
        "priorityClassName": "inference",
        "runtimeClassName": "nvidia",
        "serviceAccountName": "tgi",
        "podDisruptionBudget": {"maxUnavailable": "50%"},
        "podTemplate": {
            "metadata": {"annotations": {"example.com/team": "ml"}},
            "spec": {
                "hostNetwork": False,
                "imagePullSecrets": [{"name": "registry"}],
                "containers": [
                    {"name": "tgi", "livenessProbe": None, "volumeMounts": [{"name": "shm", "mountPath": "/cache"}]},
                    {"name": "proxy", "image": "proxy:1", "resources": {"requests": {"cpu": 0.1}}},
                ],
            },
        },
    },
}

SPECS = [
    pytest.param(SMALLEST, id="the smallest"),
    pytest.param(EVERYTHING, id="everything"),
    pytest.param(SMALLEST | {"inCluster": {"cache": {"claimName": "shared", "subPath": "a"}}}, id="a claim"),
    pytest.param(SMALLEST | {"inCluster": {"cache": {"size": "1000M", "accessMode": "ReadWriteOnce"}}}, id="own claim"),
    pytest.param({"model": {"uri": "s3://weights/z/"}, "inCluster": {"cache": {"size": "1Gi"}}}, id="S3"),
    pytest.param({"model": {"uri": "pvc://models/z"}, "inCluster": {}}, id="a claim with weights"),
    pytest.param(SMALLEST | {"inCluster": {"tolerations": [], "gpu": {"count": 8}}}, id="no tolerations"),
]


def manifests(described: dict[str, Any], namespace: str) -> list[Object]:
    """Return all that is rendered, but for the PodMonitor, which needs an API of its own."""
    owner = Owner("c", namespace, "zephyr", "11111111-2222-3333-4444-555555555555")
    spec = Spec.model_validate(described)
    assert spec.in_cluster is not None
    resource = Resource(owner, 1, False, spec, Status())
    desired = render.desired(resource, spec.in_cluster, "hf_token", "registry/tgi-operator:1")
    deployment = desired.deployment(spec.replicas or 1, asked(desired.rollout) or SURGE)
    made = (desired.claim, desired.job, desired.service, desired.budget, deployment)
    return [manifest for manifest in made if manifest is not None]


Apply = Callable[[Object], Object]


@pytest.fixture
def apply(control_plane: ControlPlane, namespace: str) -> Apply:
    """Return what applies a manifest as the operator does."""

    async def applied(manifest: Object) -> Object:
        configuration = Configuration()
        await config.load_kube_config(  # type: ignore[no-untyped-call]
            str(control_plane.kubeconfig), client_configuration=configuration
        )
        kube = Kube(configuration)
        try:
            return await kube.apply(kind_of(manifest).path(namespace, manifest["metadata"]["name"]), manifest)
        finally:
            await kube.close()

    return lambda manifest: asyncio.run(applied(manifest))


@pytest.mark.parametrize("described", SPECS)
def test_what_is_applied_is_found_again(
    described: dict[str, Any], namespace: str, control_plane: ControlPlane, apply: Apply
) -> None:
    for manifest in manifests(described, namespace):
        path = kind_of(manifest).path(namespace)
        # Every field is one that Kubernetes knows: a misspelled one would be dropped in silence.
        control_plane.api.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", manifest)
        live = apply(manifest)
        assert covers(live, manifest), manifest["kind"]
        # Admission adds to a claim after the first time.
        second, third = apply(manifest), apply(manifest)
        assert third["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"], manifest["kind"]


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("Deployment", {"spec": {"replicas": 7}}),
        ("Deployment", {"spec": {"template": {"metadata": {"labels": {"tgi-operator.dev/revision": "other"}}}}}),
        ("Service", {"spec": {"selector": {"app": "x", "tgi-operator.dev/name": None}}}),
        ("PodDisruptionBudget", {"spec": {"maxUnavailable": 0}}),
        ("PersistentVolumeClaim", {"metadata": {"labels": {"tgi-operator.dev/name": "other"}}}),
    ],
)
def test_a_change_of_ours_is_noticed_and_one_of_theirs_is_not(
    kind: str, patch: dict[str, Any], namespace: str, control_plane: ControlPlane, apply: Apply
) -> None:
    (manifest,) = (each for each in manifests(EVERYTHING, namespace) if each["kind"] == kind)
    apply(manifest)
    path = kind_of(manifest).path(namespace, manifest["metadata"]["name"])
    theirs = {"metadata": {"annotations": {"mesh": "on"}, "labels": {"team": "ml"}, "finalizers": ["example.com/x"]}}
    assert covers(control_plane.api.request("PATCH", path, theirs), manifest)
    assert not covers(control_plane.api.request("PATCH", path, copy.deepcopy(patch)), manifest)
    assert covers(apply(manifest), manifest), "put back"
    control_plane.api.request("PATCH", path, {"metadata": {"finalizers": None}})
