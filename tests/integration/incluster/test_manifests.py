"""The objects of a resource on a real API server: it accepts each of them, and returns an object that covers it."""

import copy
import json
import subprocess
from contextlib import closing
from typing import Any

import pytest

from integration.crd.test_in_cluster_admission import POD_TEMPLATE
from tgi_operator.api.spec import Spec
from tgi_operator.api.status import Status
from tgi_operator.backends.incluster.desired import checks, names, render
from tgi_operator.backends.incluster.desired.network_policy import network_policy
from tgi_operator.backends.incluster.desired.strategy import SURGE, asked
from tgi_operator.backends.incluster.kinds import Object, kind_of
from tgi_operator.backends.incluster.seen.coverage import covers
from tgi_operator.backends.resource import Owner, Resource
from tgi_operator.backends.secret_values import SecretValues
from tgi_sandbox.cluster import ControlPlane, build
from tgi_sandbox.cluster.api import ApiError

HUB = {"uri": "hf://HuggingFaceH4/zephyr-7b-beta"}
GATED = HUB | {"revision": "main", "tokenSecretRef": {"name": "hub", "key": "token"}}
TAINT = {"key": "nvidia.com/gpu", "operator": "Exists"}


def spec(changes: dict[str, Any] | None = None, **in_cluster: Any) -> dict[str, Any]:
    return {"model": HUB, **(changes or {}), "inCluster": in_cluster}


def overlaid(**pod: Any) -> dict[str, Any]:
    return spec(podTemplate={"spec": pod})


def container(**fields: Any) -> dict[str, Any]:
    return overlaid(containers=[{"name": "tgi", **fields}])


EVERYTHING = spec(
    {
        "model": GATED,
        "runtime": {
            "version": "3.3.6",
            "quantize": "bitsandbytes-nf4",
            "dtype": "float16",
            "numShard": 2,
            "maxInputTokens": 1024,
            "maxTotalTokens": 2048,
            "maxBatchPrefillTokens": 2048,
            "maxConcurrentRequests": 64,
            "trustRemoteCode": True,
            "env": [
                {"name": "API_KEY", "value": "pa$$word"},
                {"name": "CUDA_GRAPHS", "value": "0"},
                {"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": {"name": "proxy", "key": "url"}}},
            ],
        },
        "replicas": 3,
        "rollout": {"maxSurge": "25%", "maxUnavailable": "10%", "progressDeadlineSeconds": 3600},
        "deletionPolicy": "Retain",
    },
    gpu={"resourceName": "nvidia.com/gpu", "count": 2, "products": ["NVIDIA-L40S", "NVIDIA-L4"]},
    resources={"requests": {"cpu": 4, "memory": "24.5Gi"}, "limits": {"cpu": "8000m", "memory": "49152Mi"}},
    sharedMemorySize="8Gi",
    cache={"size": "0.5Ti", "storageClassName": "efs", "accessMode": "ReadWriteMany", "subPath": "llm/zephyr"},
    startupTimeoutSeconds=1234,
    terminationGracePeriodSeconds=600,
    nodeSelector={"pool": "gpu", "empty": ""},
    tolerations=[
        TAINT | {"effect": "NoSchedule"},
        TAINT | {"effect": "NoExecute", "tolerationSeconds": 0},
        {"key": "spot", "operator": "Equal", "value": "", "effect": "NoSchedule"},
    ],
    topologySpreadConstraints=[{"topologyKey": "zone", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"}],
    priorityClassName="high",
    runtimeClassName="nvidia",
    serviceAccountName="tgi",
    podDisruptionBudget={"maxUnavailable": "50%"},
    podMonitor={"labels": {"release": "prometheus"}, "interval": "30s"},
    podTemplate={
        "metadata": {"annotations": {"team": "ml"}, "labels": {"team": "ml"}},
        "spec": {
            "schedulerName": "default-scheduler",
            "dnsPolicy": "ClusterFirst",
            "initContainers": [{"name": "wait", "image": "busybox:1", "command": ["true"]}],
            "containers": [
                {"name": "tgi", "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]},
                {"name": "log", "image": "busybox:1", "resources": {"limits": {"cpu": "0.25", "memory": "0.5Gi"}}},
            ],
        },
    },
)

SPECS = [
    pytest.param(spec(), id="the smallest"),
    pytest.param(EVERYTHING, id="all that can be said"),
    pytest.param(spec({"model": GATED}), id="a token"),
    pytest.param(spec(cache={"size": "100Gi"}), id="a new claim"),
    pytest.param(spec(cache={"size": 107374182400, "accessMode": "ReadWriteOnce"}), id="a new claim of bytes"),
    pytest.param(spec(cache={"claimName": "shared", "subPath": "a/b"}), id="a claim that is there"),
    pytest.param(spec({"model": {"uri": "s3://weights/zephyr 7b/"}}, cache={"size": "1.5Ti"}), id="S3"),
    pytest.param(spec({"model": {"uri": "pvc://models/zephyr-7b"}}), id="a claim with weights"),
    pytest.param(spec({"model": {"uri": "pvc://models"}}), id="a whole claim with weights"),
    pytest.param(spec(gpu={"resourceName": "nvidia.com/mig-1g.5gb"}), id="a part of a GPU"),
    pytest.param(spec(gpu={"resourceName": "amd.com/gpu", "count": 16}), id="GPUs of AMD"),
    pytest.param(
        spec(gpu={"products": ["NVIDIA-A100-SXM4-40GB", "NVIDIA-H100-80GB-HBM3", "Tesla-T4"]}),
        id="GPUs by the labels of node autoscalers",
    ),
    pytest.param(spec(tolerations=[]), id="no tolerations"),
    pytest.param(spec(tolerations=[{"operator": "Exists"}]), id="all taints"),
    pytest.param(
        spec(tolerations=[TAINT | {"effect": "NoSchedule"}, TAINT | {"effect": "NoExecute"}]), id="two effects"
    ),
    pytest.param(spec(tolerations=[TAINT | {"value": ""}]), id="a toleration with an empty value"),
    pytest.param(spec({"rollout": {"maxSurge": "100%"}}), id="twice as many pods"),
    pytest.param(spec({"rollout": {"maxSurge": "0%"}}), id="no pods more, in percent"),
    pytest.param(spec({"rollout": {"maxUnavailable": "7"}}), id="seven pods fewer"),
    pytest.param(spec({"rollout": {"maxUnavailable": 2}}), id="two pods fewer"),
    pytest.param(spec(podDisruptionBudget={"maxUnavailable": 0}), id="no drain"),
    pytest.param(spec(resources={"requests": {"cpu": "0.1", "memory": "1000000Ki"}}), id="amounts in other words"),
    pytest.param(spec(resources={"limits": {"cpu": "1000m", "memory": "1.5Gi"}}), id="limits only"),
    pytest.param(spec(resources={"requests": {"memory": "0.5"}}), id="half a byte"),
    pytest.param(spec(sharedMemorySize="1073741824"), id="shared memory in bytes"),
    pytest.param(spec(sharedMemorySize=0), id="no shared memory"),
    pytest.param(overlaid(automountServiceAccountToken=False), id="overlay: false"),
    pytest.param(container(livenessProbe={"initialDelaySeconds": 0}), id="overlay: zero"),
    pytest.param(container(env=[{"name": "EMPTY", "value": ""}]), id="overlay: an empty variable"),
    pytest.param(
        container(livenessProbe={"tcpSocket": {"port": "http"}}, lifecycle={"preStop": {"sleep": {"seconds": 5}}}),
        id="overlay: another probe and hook",
    ),
    pytest.param(spec(omitDefaults=["GPURequest", "LivenessProbe", "PreStopHook", "SharedMemory"]), id="no defaults"),
    pytest.param(container(securityContext={"runAsUser": 0, "privileged": False}), id="overlay: root"),
    pytest.param(container(resources={"limits": {"cpu": "0.5"}}), id="overlay: an amount that is a fraction"),
    pytest.param(container(resources={"limits": {"cpu": 2, "memory": 10**9}}), id="overlay: amounts as numbers"),
    pytest.param(
        container(volumeMounts=[{"name": "data", "mountPath": "/out", "subPath": "out"}]), id="overlay: mounted twice"
    ),
    pytest.param(
        container(ports=[{"containerPort": 9000, "protocol": "UDP", "name": "u"}, {"containerPort": 9001}], args=[]),
        id="overlay: ports",
    ),
    pytest.param(
        overlaid(volumes=[{"name": "data", "hostPath": {"path": "/nvme", "type": ""}}]),
        id="overlay: another volume",
    ),
    pytest.param(
        overlaid(
            affinity={
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {
                                "matchExpressions": [
                                    {"key": "cpus", "operator": "Gt", "values": ["4"]},
                                    {"key": "cpus", "operator": "Lt", "values": ["64"]},
                                ]
                            }
                        ]
                    }
                }
            },
            hostAliases=[{"ip": "10.0.0.1", "hostnames": ["hub.local"]}],
            imagePullSecrets=[{"name": "registry"}],
            securityContext={"fsGroup": 1000, "supplementalGroups": []},
        ),
        id="overlay: a whole pod",
    ),
    pytest.param(spec(podTemplate={"metadata": {"annotations": {}}, "spec": {}}), id="overlay: nothing"),
    pytest.param(spec(podTemplate=POD_TEMPLATE), id="overlay: much"),
]


class Namespace:
    """One namespace, and objects applied to it like the operator applies them."""

    def __init__(self, plane: ControlPlane, name: str) -> None:
        self.name = name
        self._plane = plane

    def manifests(self, described: dict[str, Any], name: str = "zephyr-7b") -> list[Object]:
        read = Spec.model_validate(described)
        assert read.in_cluster is not None
        assert checks.first_problem(read, read.in_cluster) is None
        owner = Owner("c-1", self.name, name, "0f0e0d0c-0000-4000-8000-000000000001")
        resource = Resource(owner, 1, deleting=False, spec=read, status=Status())
        wanted = render.desired(resource, read.in_cluster, SecretValues(), "ghcr.io/tgi-operator/tgi-operator:0.1.0")
        deployment = wanted.deployment(read.replicas or 1, asked(read.rollout) or SURGE)
        policy = network_policy(owner, ("gateway", "monitoring"))
        made = (wanted.service, wanted.budget, policy, wanted.claim, wanted.job, deployment)
        return [each for each in made if each is not None]

    def path(self, manifest: Object) -> str:
        return kind_of(manifest).path(self.name, manifest["metadata"]["name"])

    def apply(self, manifest: Object, manager: str = "tgi-operator") -> Object:
        """Return the object after a server-side apply that accepts no unknown field."""
        query = f"?fieldManager={manager}&force=true&fieldValidation=Strict"
        with closing(self._plane.api._connect(10)) as connection:
            connection.request(
                "PATCH",
                f"{self.path(manifest)}{query}",
                json.dumps(manifest),
                {
                    "Authorization": f"Bearer {self._plane.api._token}",
                    "Content-Type": "application/apply-patch+yaml",
                },
            )
            response = connection.getresponse()
            answer: Object = json.loads(response.read())
        if response.status >= 400:
            raise ApiError(response.status, str(answer.get("message")))
        return answer

    def patch(self, manifest: Object, change: Object) -> Object:
        return self._plane.api.request("PATCH", f"{self.path(manifest)}?fieldManager=somebody", change)

    def read(self, manifest: Object) -> Object:
        return self._plane.api.request("GET", self.path(manifest))

    def kubectl(self, *arguments: str) -> None:
        program = build.ensure(["kubectl"])["kubectl"]
        where = ("--kubeconfig", str(self._plane.kubeconfig), "--namespace", self.name)
        subprocess.run([program, *where, *arguments], check=True, capture_output=True, timeout=60)


@pytest.fixture
def place(control_plane: ControlPlane) -> Namespace:
    return Namespace(control_plane, control_plane.create_namespace())


@pytest.mark.parametrize("described", SPECS)
def test_every_object_is_taken_given_back_and_applied_again_without_a_change(
    place: Namespace, described: dict[str, Any]
) -> None:
    for manifest in place.manifests(described):
        first = place.apply(manifest)
        assert covers(first, manifest), missing(first, manifest)
        assert covers(place.read(manifest), manifest)
        again = place.apply(copy.deepcopy(manifest))
        assert covers(again, manifest)
        # A PVC is written again the second time, because of the finalizer that the API server added.
        settled = place.apply(manifest) if manifest["kind"] == "PersistentVolumeClaim" else first
        assert again["metadata"]["resourceVersion"] == settled["metadata"]["resourceVersion"]
        assert names.LABEL_NAME in first["metadata"]["labels"]


def missing(live: Any, wanted: Any, path: str = "") -> list[str]:
    """Return the deepest paths at which `live` does not cover `wanted`."""
    if covers(live, wanted):
        return []
    if isinstance(wanted, dict) and isinstance(live, dict):
        return [each for name in wanted for each in missing(live.get(name), wanted[name], f"{path}.{name}")] or [path]
    return [f"{path}: {wanted} is {live}"]


@pytest.mark.parametrize("name", ["a", "z" * 63, "a-" * 31 + "a", "b" * 54, "c" * 55])
def test_every_name_of_a_resource_makes_names_that_are_taken(place: Namespace, name: str) -> None:
    for manifest in place.manifests(spec(cache={"size": "1Gi"}), name):
        place.apply(manifest)


def test_strict_apply_would_tell_of_a_field_that_does_not_exist(place: Namespace) -> None:
    (service, *_) = place.manifests(spec())
    service["spec"]["portz"] = []
    with pytest.raises(ApiError, match="portz"):
        place.apply(service)


CHANGES = [
    pytest.param("Deployment", {"spec": {"replicas": 5}}, id="the pods"),
    pytest.param("Deployment", {"spec": {"strategy": {"rollingUpdate": {"maxSurge": 3}}}}, id="the strategy"),
    pytest.param("Deployment", {"spec": {"template": {"spec": {"tolerations": None}}}}, id="the tolerations, removed"),
    pytest.param("Deployment", {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}, id="the end"),
    pytest.param("Deployment", {"metadata": {"labels": {names.LABEL_NAME: "other"}}}, id="a label"),
    pytest.param("Deployment", {"metadata": {"ownerReferences": None}}, id="the owner"),
    pytest.param(
        "Service", {"spec": {"selector": {"app": "other", "app.kubernetes.io/component": None}}}, id="selector"
    ),
    pytest.param(
        "Service", {"spec": {"ports": [{"name": "http", "port": 80, "targetPort": 9000}]}}, id="where the port leads"
    ),
    pytest.param("PodDisruptionBudget", {"spec": {"maxUnavailable": "100%"}}, id="the budget"),
    pytest.param("NetworkPolicy", {"spec": {"ingress": [{}]}}, id="everybody let in"),
    pytest.param("NetworkPolicy", {"spec": {"podSelector": {"matchLabels": {"selects": "none"}}}}, id="no pods"),
    pytest.param("NetworkPolicy", {"spec": {"policyTypes": ["Egress"]}}, id="the other direction"),
]


@pytest.mark.parametrize(("kind", "change"), CHANGES)
def test_what_another_manager_changes_is_noticed_and_put_right(place: Namespace, kind: str, change: Object) -> None:
    (manifest,) = [each for each in place.manifests(spec()) if each["kind"] == kind]
    place.apply(manifest)
    assert not covers(place.patch(manifest, change), manifest)
    assert covers(place.apply(manifest), manifest)


def test_what_kubectl_sets_is_noticed_and_put_right(place: Namespace) -> None:
    for manifest in place.manifests(spec()):
        place.apply(manifest)
    deployment = place.manifests(spec())[-1]
    for arguments in (
        ("set", "env", "deployment/zephyr-7b", "NUM_SHARD=4"),
        ("set", "image", "deployment/zephyr-7b", "tgi=own:1"),
        (
            "set",
            "resources",
            "deployment/zephyr-7b",
            "-c",
            "tgi",
            "--limits=nvidia.com/gpu=2",
            "--requests=nvidia.com/gpu=2",
        ),
        ("scale", "deployment/zephyr-7b", "--replicas=4"),
    ):
        place.kubectl(*arguments)
        assert not covers(place.read(deployment), deployment), arguments
        assert covers(place.apply(deployment), deployment)


def test_what_others_add_is_theirs_and_stays(place: Namespace) -> None:
    deployment = place.manifests(spec())[-1]
    place.apply(deployment)
    place.kubectl("rollout", "restart", "deployment/zephyr-7b")
    place.kubectl("annotate", "deployment/zephyr-7b", "team=ml")
    place.kubectl("label", "deployment/zephyr-7b", "team=ml")
    place.kubectl("set", "env", "deployment/zephyr-7b", "EXTRA=1")
    live = place.read(deployment)
    assert covers(live, deployment)
    after = place.apply(deployment)
    assert after["metadata"]["labels"]["team"] == "ml"
    assert "EXTRA" in str(after["spec"]["template"])


def test_what_the_spec_no_longer_says_is_removed(place: Namespace) -> None:
    before = spec(nodeSelector={"pool": "gpu"}, tolerations=[TAINT], priorityClassName="high")
    place.apply(place.manifests(before)[-1])
    after = place.apply(place.manifests(spec(tolerations=[]))[-1])["spec"]["template"]["spec"]
    assert not {"tolerations", "priorityClassName"} & set(after)
    assert after["nodeSelector"] == {"kubernetes.io/arch": "amd64"}


def test_claim_cannot_shrink_and_a_job_cannot_be_changed(place: Namespace) -> None:
    """The reason why a job is never applied again, and why its name identifies its work."""
    for manifest in place.manifests(spec(cache={"size": "2Gi"})):
        place.apply(manifest)
    by_kind = {each["kind"]: each for each in place.manifests(spec(cache={"size": "1Gi"}))}
    with pytest.raises(ApiError, match=r"spec is immutable after creation|can not be less than"):
        place.apply(by_kind["PersistentVolumeClaim"])
    by_kind["Job"]["spec"]["template"]["spec"]["containers"][0]["image"] = "operator:next"
    with pytest.raises(ApiError, match="field is immutable"):
        place.apply(by_kind["Job"])
