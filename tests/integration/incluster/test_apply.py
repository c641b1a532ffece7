"""Rendered objects on a real API server: accepted and read back unchanged, and changes by others detected."""

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes.aio import config
from kubernetes.aio.client.configuration import Configuration

from tgi_operator.api.incluster import InCluster
from tgi_operator.api.spec import Spec
from tgi_operator.api.status import Status
from tgi_operator.backends.incluster.desired import living, pod_template
from tgi_operator.backends.incluster.desired.render import Desired
from tgi_operator.backends.incluster.desired.strategy import SURGE, asked
from tgi_operator.backends.incluster.kinds import Object, kind_of
from tgi_operator.backends.incluster.seen.children import slim
from tgi_operator.backends.incluster.seen.coverage import covers
from tgi_operator.backends.resource import Owner, Resource
from tgi_operator.backends.secret_values import SecretValue, SecretValues
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
                "dnsPolicy": "ClusterFirst",
                "imagePullSecrets": [{"name": "registry"}],
                "containers": [
                    {
                        "name": "tgi",
                        "livenessProbe": {"grpc": {"port": 9}},
                        "volumeMounts": [{"name": "shm", "mountPath": "/cache"}],
                    },
                    {"name": "proxy", "image": "proxy:1", "resources": {"requests": {"cpu": "0.1"}}},
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


def read(described: dict[str, Any], namespace: str) -> tuple[Resource, InCluster]:
    owner = Owner("c", namespace, "zephyr", "11111111-2222-3333-4444-555555555555")
    spec = Spec.model_validate(described)
    assert spec.in_cluster is not None
    return Resource(owner, 1, False, spec, Status()), spec.in_cluster


def rendered(described: dict[str, Any], namespace: str, living_deployment: Object | None = None) -> Desired:
    resource, target = read(described, namespace)
    deployment = slim(living_deployment) if living_deployment is not None else None
    return living.desired(
        resource, target, SecretValues(SecretValue("hf_token", "s-1")), "registry/tgi-operator:1", deployment
    )


def manifests(described: dict[str, Any], namespace: str) -> list[Object]:
    """Return all rendered objects, except the PodMonitor, which needs another API."""
    desired = rendered(described, namespace)
    deployment = desired.deployment(desired.replicas or 1, asked(desired.rollout) or SURGE)
    made = (desired.claim, desired.job, desired.service, desired.budget, deployment)
    return [manifest for manifest in made if manifest is not None]


Apply = Callable[[Object], Object]


@pytest.fixture
def apply(control_plane: ControlPlane, namespace: str) -> Apply:
    """Return a function that applies a manifest like the operator."""

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
        # Every field is known to Kubernetes: a misspelled one would be silently dropped.
        control_plane.api.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", manifest)
        live = apply(manifest)
        assert covers(live, manifest), manifest["kind"]
        # Admission adds fields to a PVC after the first apply.
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


def upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate an operator that renders pods differently."""
    render = pod_template.pod_template

    def changed(*arguments: Any) -> Object:
        template: Object = render(*arguments)
        template["spec"]["enableServiceLinks"] = True
        return template

    monkeypatch.setattr(pod_template, "pod_template", changed)


@pytest.mark.parametrize("described", SPECS)
def test_template_of_another_version_stays_on_upgrade_and_on_scale(
    described: dict[str, Any], namespace: str, apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rendered(described, namespace)
    live = apply(before.deployment(1, SURGE))
    upgrade(monkeypatch)
    after = rendered(described, namespace, live)
    assert after.revision == before.revision
    assert covers(slim(live), after.deployment(1, SURGE)), "nothing to apply"
    scaled = apply(after.deployment(2, SURGE))
    assert scaled["spec"]["replicas"] == 2
    assert scaled["spec"]["template"] == live["spec"]["template"], "no pod is replaced"


def test_next_rendering_leaves_nothing_of_a_template_that_stayed(
    namespace: str, apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = apply(rendered(EVERYTHING, namespace).deployment(1, SURGE))
    upgrade(monkeypatch)
    live = apply(rendered(EVERYTHING, namespace, live).deployment(2, SURGE))
    plain = EVERYTHING | {"inCluster": {name: EVERYTHING["inCluster"][name] for name in ("cache", "gpu")}}
    wanted = rendered(plain, namespace, live)
    pod = apply(wanted.deployment(2, SURGE))["spec"]["template"]["spec"]
    assert pod["enableServiceLinks"]
    assert [each["name"] for each in pod["containers"]] == ["tgi"]
    assert [each["name"] for each in pod["containers"][0]["env"]] == [
        each["name"] for each in wanted.template["spec"]["containers"][0]["env"]
    ]
    assert not {"priorityClassName", "imagePullSecrets"} & pod.keys()
    assert [each["topologyKey"] for each in pod["topologySpreadConstraints"]] == ["kubernetes.io/hostname"]
    assert pod["nodeSelector"] == {"kubernetes.io/arch": "amd64"}


@pytest.mark.parametrize("described", SPECS[1:])
def test_what_is_no_longer_in_the_spec_is_gone_from_the_deployment(
    described: dict[str, Any], namespace: str, apply: Apply, control_plane: ControlPlane
) -> None:
    smallest = rendered(SMALLEST, namespace).deployment(1, SURGE)
    fresh = apply(smallest)["spec"]
    control_plane.api.request(
        "DELETE", f"/apis/apps/v1/namespaces/{namespace}/deployments/{smallest['metadata']['name']}"
    )
    apply(rendered(described, namespace).deployment(1, SURGE))
    assert apply(smallest)["spec"] == fresh
