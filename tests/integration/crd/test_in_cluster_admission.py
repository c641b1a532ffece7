"""The values of `inCluster` and `rollout` that the CRD accepts, and its error messages for others."""

import copy
from typing import Any

import pytest

from tgi_sandbox.cluster import ControlPlane
from tgi_sandbox.cluster.api import ApiError

Spec = dict[str, Any]

SMALLEST: Spec = {"model": {"uri": "hf://HuggingFaceH4/zephyr-7b-beta"}, "inCluster": {}}
SAGEMAKER = {
    "region": "eu-west-1",
    "executionRoleARN": "arn:aws:iam::111122223333:role/tgi-exec",
    "instanceType": "ml.g5.2xlarge",
}
CACHED = {"cache": {"size": "50Gi"}}


def spec(changes: Spec | None = None, **in_cluster: Any) -> Spec:
    """Return a spec with top-level fields and fields of inCluster that differ from the smallest one."""
    changed = {**copy.deepcopy(SMALLEST), **(changes or {})}
    if "inCluster" in changed:
        changed["inCluster"] |= in_cluster
    return changed


def pod(**fields: Any) -> Spec:
    return spec(podTemplate={"spec": fields})


def container(**fields: Any) -> Spec:
    return pod(containers=[{"name": "tgi", **fields}])


def annotated(*lengths: int) -> Spec:
    """Return a spec with annotations of these lengths."""
    texts = {f"a{number}": "<" * length for number, length in enumerate(lengths)}
    return spec(podTemplate={"metadata": {"annotations": texts}})


KEY = {"name": "hub", "key": "token", "optional": True}
SELECTOR = {
    "matchLabels": {"app": "tgi"},
    "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["", "batch"]}],
}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "9Gi"}}, "storageClassName": "nvme"}
CONTEXT = {
    "runAsUser": 1000,
    "runAsGroup": 0,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "Localhost", "localhostProfile": "tgi.json"},
    "appArmorProfile": {"type": "Unconfined"},
    "seLinuxOptions": {"type": "container_t", "level": "s0"},
}
SIDECAR = {
    "name": "proxy",
    "image": "proxy:1@sha256:0",
    "imagePullPolicy": "Always",
    "command": ["sh", "-c", 'exec proxy --log "$LEVEL" && true'],
    "args": [""],
    "workingDir": "/",
    "env": [
        {"name": "LEVEL", "value": ""},
        {"name": "KEY", "valueFrom": {"secretKeyRef": KEY}},
        {"name": "FLAGS", "valueFrom": {"configMapKeyRef": KEY}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
    ],
    "envFrom": [{"prefix": "P_", "configMapRef": {"name": "a"}}, {"secretRef": {"name": "b", "optional": True}}],
    "ports": [{"containerPort": 9000, "name": "proxy", "protocol": "UDP"}, {"containerPort": 9001}],
    "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi", "example.com/fuse": 1}},
    "volumeMounts": [{"name": "a", "mountPath": "/a", "subPathExpr": "$(NODE)", "readOnly": True}],
    "livenessProbe": {"exec": {"command": ["true"]}, "terminationGracePeriodSeconds": 30},
    "readinessProbe": {"tcpSocket": {"port": 9001}, "successThreshold": 2},
    "startupProbe": {"grpc": {"port": 9001, "service": "x"}, "initialDelaySeconds": 0, "failureThreshold": 30},
    "lifecycle": {"postStart": {"sleep": {"seconds": 1}}, "preStop": {"httpGet": {"path": "/end", "port": 9001}}},
    "securityContext": CONTEXT
    | {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": []},
    },
    "terminationMessagePolicy": "File",
}
POD_TEMPLATE = {
    "metadata": {"labels": {"team": "ml"}, "annotations": {"sidecar.istio.io/inject": "false"}},
    "spec": {
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "cpus", "operator": "Gt", "values": ["4"]}]}]
                },
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 1, "preference": {"matchExpressions": [{"key": "spot", "operator": "DoesNotExist"}]}}
                ],
            },
            "podAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"topologyKey": "zone", "labelSelector": SELECTOR, "namespaces": ["ml"], "namespaceSelector": {}}
                ]
            },
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 100,
                        "podAffinityTerm": {
                            "topologyKey": "kubernetes.io/hostname",
                            "labelSelector": SELECTOR,
                            "matchLabelKeys": ["pod-template-hash"],
                            "mismatchLabelKeys": ["tenant"],
                        },
                    }
                ]
            },
        },
        "automountServiceAccountToken": False,
        "containers": [{"name": "tgi", "env": [{"name": "NCCL_DEBUG", "value": "INFO"}]}, SIDECAR],
        "initContainers": [SIDECAR | {"name": "before", "restartPolicy": "Always"}],
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["10.0.0.10"], "searches": ["corp"], "options": [{"name": "ndots", "value": "1"}]},
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["hub.corp"]}],
        "imagePullSecrets": [{"name": "registry"}],
        "priorityClassName": "high",
        "runtimeClassName": "nvidia",
        "schedulerName": "batch",
        "serviceAccountName": "tgi",
        "securityContext": CONTEXT | {"fsGroup": 1000, "fsGroupChangePolicy": "Always", "supplementalGroups": [1, 2]},
        "tolerations": [{"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}],
        "topologySpreadConstraints": [
            {
                "topologyKey": "zone",
                "maxSkew": 1,
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": SELECTOR,
                "matchLabelKeys": ["pod-template-hash"],
                "minDomains": 2,
                "nodeAffinityPolicy": "Honor",
                "nodeTaintsPolicy": "Ignore",
            }
        ],
        "volumes": [
            {"name": "a", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
            {"name": "b", "configMap": {"name": "b", "items": [{"key": "k", "path": "p", "mode": 0o444}]}},
            {"name": "c", "secret": {"secretName": "c", "defaultMode": 0o400, "optional": True}},
            {"name": "d", "csi": {"driver": "s3.csi", "volumeAttributes": {"bucket": "x"}, "readOnly": True}},
            {"name": "e", "ephemeral": {"volumeClaimTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": CLAIM}}},
            {"name": "f", "hostPath": {"path": "/nvme", "type": ""}},
            {"name": "g", "nfs": {"server": "nfs.corp", "path": "/models", "readOnly": True}},
            {"name": "h", "persistentVolumeClaim": {"claimName": "h", "readOnly": True}},
            {"name": "i", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {
                "name": "j",
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"path": "token", "audience": "x", "expirationSeconds": 600}},
                        {"configMap": {"name": "b"}},
                        {"secret": {"name": "c", "items": [{"key": "k", "path": "p"}]}},
                        {
                            "downwardAPI": {
                                "items": [
                                    {
                                        "path": "cpu",
                                        "resourceFieldRef": {"resource": "limits.cpu", "containerName": "tgi"},
                                    }
                                ]
                            }
                        },
                    ]
                },
            },
        ],
    },
}


class Endpoints:
    """The TGIEndpoints of one namespace."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self._api = control_plane.api
        self._path = f"/apis/tgi-operator.dev/v1alpha1/namespaces/{namespace}/tgiendpoints"

    def create(self, described: Spec, name: str = "zephyr") -> Spec:
        metadata = {"name": name}
        body = {"apiVersion": "tgi-operator.dev/v1alpha1", "kind": "TGIEndpoint", "metadata": metadata}
        return self._api.request("POST", f"{self._path}?fieldValidation=Strict", body | {"spec": described})

    def update(self, described: Spec) -> Spec:
        living = self._api.request("GET", f"{self._path}/zephyr")
        return self._api.request("PUT", f"{self._path}/zephyr", living | {"spec": described})


@pytest.fixture
def endpoints(control_plane: ControlPlane, namespace: str) -> Endpoints:
    return Endpoints(control_plane, namespace)


ACCEPTED = [
    pytest.param(spec(), id="the smallest"),
    pytest.param(spec(resources={"requests": {"cpu": 4, "memory": "24Gi", "nvidia.com/mig": 0}}), id="quantities"),
    pytest.param(spec({"rollout": {"maxSurge": 0, "maxUnavailable": "25%"}}), id="a number and a percentage"),
    pytest.param(spec({"rollout": {"maxSurge": "0%"}}), id="0 alone"),
    pytest.param(spec({"model": {"uri": "pvc://models/zephyr/v1"}}), id="a claim with weights"),
    pytest.param(spec({"model": {"uri": "pvc://models"}}), id="a claim that is a model"),
    pytest.param(spec({"model": {"uri": "s3://weights/zephyr/"}}, **CACHED), id="S3 and a claim"),
    pytest.param(spec(cache={"claimName": "shared", "subPath": "zephyr/v1"}), id="a claim that is there"),
    pytest.param(spec(cache={"size": "50Gi", "storageClassName": "efs", "accessMode": "ReadWriteMany"}), id="a claim"),
    pytest.param(spec(podTemplate=POD_TEMPLATE), id="a pod template that changes much"),
    pytest.param(spec(podTemplate={}), id="a pod template that changes nothing"),
    pytest.param(container(livenessProbe={"httpGet": {"port": "http"}}), id="a port by name"),
    pytest.param(container(livenessProbe={"httpGet": {"port": 65535}}), id="the last port"),
    pytest.param(container(args=[], command=[]), id="no arguments"),
    pytest.param(annotated(8192, 6771), id="as many characters as can be"),
    pytest.param(spec(omitDefaults=["GPURequest", "LivenessProbe", "PreStopHook", "SharedMemory"]), id="no defaults"),
    pytest.param(spec(tolerations=[]), id="no tolerations"),
    pytest.param(spec(podDisruptionBudget={"maxUnavailable": "50%"}), id="a budget in percent"),
    pytest.param(spec(podDisruptionBudget={"maxUnavailable": 0}), id="a budget of nothing"),
    pytest.param(spec(sharedMemorySize=0), id="no shared memory"),
    pytest.param(spec(tolerations=[{"operator": "Exists"}, {"key": "a", "value": ""}]), id="bare tolerations"),
    pytest.param(spec(cache={"size": 107374182400}), id="a claim of bytes"),
    pytest.param(spec({"rollout": {"maxSurge": 999999, "maxUnavailable": "100%"}}), id="as much as can be"),
]


@pytest.mark.parametrize("described", ACCEPTED)
def test_what_can_work_is_accepted(endpoints: Endpoints, described: Spec) -> None:
    assert endpoints.create(described)["spec"]["inCluster"].items() >= described["inCluster"].items()


REFUSED = [
    pytest.param(spec({"sageMaker": SAGEMAKER}), "exactly one backend must be set", id="both backends"),
    pytest.param({"model": SMALLEST["model"]}, "exactly one backend must be set", id="no backend"),
    pytest.param(
        {"model": {"uri": "pvc://models/x"}, "sageMaker": SAGEMAKER}, "requires inCluster", id="pvc:// on SageMaker"
    ),
    pytest.param(
        {"model": SMALLEST["model"], "sageMaker": SAGEMAKER, "rollout": {"maxSurge": 1}},
        "rollout requires inCluster",
        id="rollout on SageMaker",
    ),
    pytest.param(spec({"replicas": -1}), "should be greater than or equal to 0", id="a negative replica count"),
    pytest.param(
        spec({"model": {"uri": "s3://weights/zephyr/"}}),
        "an s3:// model.uri requires inCluster.cache",
        id="S3 without a claim",
    ),
    pytest.param(
        spec({"model": {"uri": "pvc://models/x"}}, **CACHED), "inCluster.cache must not be set", id="pvc:// and a claim"
    ),
    pytest.param(spec(cache={}), "exactly one of claimName", id="neither claim nor size"),
    pytest.param(spec(cache={"claimName": "a", "size": "1Gi"}), "exactly one of claimName", id="claim and size"),
    pytest.param(spec(cache={"claimName": "a", "storageClassName": "b"}), "require size", id="class of a claim"),
    pytest.param(spec(cache={"size": "much"}), "spec.inCluster.cache.size", id="no quantity"),
    pytest.param(spec(cache={"size": -1}), "spec.inCluster.cache.size", id="less than nothing"),
    pytest.param(spec(cache={"claimName": "a", "subPath": "../b"}), "subPath", id="another folder"),
    pytest.param(spec({"rollout": {"maxSurge": 0, "maxUnavailable": 0}}), "must not both be 0", id="both 0"),
    pytest.param(spec({"rollout": {"maxSurge": "0%", "maxUnavailable": 0}}), "must not both be 0", id="both 0 too"),
    pytest.param(spec({"rollout": {"maxSurge": "101%"}}), "spec.rollout.maxSurge", id="more than all"),
    pytest.param(
        spec({"rollout": {"maxSurge": "00", "maxUnavailable": "00%"}}),
        "spec.rollout.maxSurge",
        id="both 0 at length",
    ),
    pytest.param(spec({"rollout": {"maxSurge": -1}}), "spec.rollout.maxSurge", id="less than no pods"),
    pytest.param(spec({"rollout": {"maxUnavailable": "-1"}}), "spec.rollout.maxUnavailable", id="less, as a text"),
    pytest.param(spec({"rollout": {"maxSurge": 0.5}}), "spec.rollout.maxSurge", id="half a pod"),
    pytest.param(spec({"rollout": {"progressDeadlineSeconds": 0}}), "progressDeadlineSeconds", id="no time"),
    pytest.param(
        spec({"rollout": {"maxSurge": 1000000}}), "spec.rollout.maxSurge", id="more pods than the operator reads"
    ),
    pytest.param(
        spec(podDisruptionBudget={"maxUnavailable": -1}), "podDisruptionBudget.maxUnavailable", id="less than none"
    ),
    pytest.param(spec(podDisruptionBudget={}), "podDisruptionBudget.maxUnavailable", id="a budget of what"),
    pytest.param(spec(resources={"requests": {"cpu": "-1"}}), "spec.inCluster.resources.requests", id="less CPU"),
    pytest.param(
        spec(resources={"limits": {"memory": "24GB"}}),
        "a unit, if any, must be a Kubernetes unit, such as G or Gi instead of GB",
        id="no suffix",
    ),
    pytest.param(spec(cache={"claimName": "a", "accessMode": "ReadWriteOnce"}), "require size", id="mode of a claim"),
    pytest.param(spec(cache={"size": "1Gi", "accessMode": "ReadOnlyMany"}), "accessMode", id="a claim to read only"),
    pytest.param(spec(nodeSelector={"a": "b c"}), "spec.inCluster.nodeSelector", id="no label"),
    pytest.param(spec(tolerations=[{"operator": "In"}]), "tolerations[0].operator", id="no operator of a toleration"),
    pytest.param(
        spec(topologySpreadConstraints=[{"topologyKey": "z"}, {"topologyKey": "z"}]), "Duplicate", id="spread twice"
    ),
    pytest.param(spec(podMonitor={"interval": "0s"}), "podMonitor.interval", id="no interval"),
    pytest.param(spec(podTemplate="text"), "spec.inCluster.podTemplate", id="a pod that is a text"),
    pytest.param(spec(podTemplate={"metadata": {"annotations": {"a": ["b"]}}}), "annotations", id="a list in a map"),
    pytest.param(pod(volumes=[{"name": "a", "emptyDir": {}, "csi": {"driver": "b"}}]), "volumes[0]", id="two sources"),
    pytest.param(
        container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "a"}, "secretKeyRef": KEY}}]),
        "valueFrom",
        id="two sources of a value",
    ),
    pytest.param(container(env=[{"name": "A"}, {"name": "A"}]), "Duplicate", id="a variable twice"),
    pytest.param(container(ports=[{"containerPort": 65536}]), "containerPort", id="no port"),
    pytest.param(container(livenessProbe={"httpGet": {"port": 0}}), "httpGet.port", id="port 0"),
    pytest.param(container(livenessProbe={"httpGet": {"port": 65536}}), "httpGet.port", id="a port beyond the last"),
    pytest.param(container(livenessProbe={"httpGet": {"port": "0"}}), "httpGet.port", id="port 0 as a text"),
    pytest.param(container(livenessProbe={"httpGet": {"port": "HTTP"}}), "httpGet.port", id="no name of a port"),
    pytest.param(container(resources={"limits": {"cpu": 0.5}}), "resources.limits", id="an amount as a fraction"),
    pytest.param(container(args=["x"] * 33), "args", id="many arguments"),
    pytest.param(container(args=["x" * 8193]), "args", id="a long argument"),
    pytest.param(pod(tolerations=[{"operator": "Exists"}] * 33), "tolerations", id="many tolerations"),
    pytest.param(pod(containers=[{"name": f"c{each}"} for each in range(5)]), "containers", id="many containers"),
    pytest.param(pod(initContainers=[{"name": "a", "restartPolicy": "Never"}]), "restartPolicy", id="no sidecar"),
    pytest.param(annotated(8192, 6772), "must have at most 15,000 characters", id="many characters"),
    pytest.param(spec(nodeSelector={"k" * 17000: ""}), "15,000 characters", id="a long key"),
    pytest.param(spec(omitDefaults=["ReadinessProbe"]), "omitDefaults[0]", id="no default to omit"),
    pytest.param(spec(gpu={"count": 0}), "spec.inCluster.gpu.count", id="no GPU"),
    pytest.param(spec(terminationGracePeriodSeconds=5), "terminationGracePeriodSeconds", id="no grace"),
]


@pytest.mark.parametrize(("described", "message"), REFUSED)
def test_what_cannot_work_is_refused(endpoints: Endpoints, described: Spec, message: str) -> None:
    with pytest.raises(ApiError) as refused:
        endpoints.create(described)
    assert refused.value.code == 422
    assert message in str(refused.value)


def test_null_in_a_pod_template_is_dropped(endpoints: Endpoints) -> None:
    created = endpoints.create(container(livenessProbe=None, image="own:1"))
    assert created["spec"]["inCluster"].items() >= container(image="own:1")["inCluster"].items()


@pytest.mark.parametrize(
    "field",
    ["hostNetwork", "hostPID", "hostIPC", "hostUsers", "nodeName", "ephemeralContainers", "restartPolicy", "anything"],
)
def test_pod_template_has_no_other_fields(endpoints: Endpoints, field: str) -> None:
    with pytest.raises(ApiError, match=rf"unknown field \S+spec.inCluster.podTemplate.spec.{field}\b"):
        endpoints.create(pod(**{field: True}))


SERVICE_NAMES = ("z", "z" * 63, "z-7b")
OTHER_NAMES = ("0zephyr", "zephyr.7b", "z" * 64)


@pytest.mark.parametrize("name", SERVICE_NAMES)
def test_name_of_a_service_is_accepted(endpoints: Endpoints, name: str) -> None:
    assert endpoints.create(spec(), name)["metadata"]["name"] == name


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_the_name_must_be_that_of_a_service(endpoints: Endpoints, name: str) -> None:
    with pytest.raises(ApiError, match=r"metadata\.name must be a valid Service name"):
        endpoints.create(spec(), name)
    assert endpoints.create({"model": SMALLEST["model"], "sageMaker": SAGEMAKER}, name), "on SageMaker it is free"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        pytest.param(
            spec(), {"model": SMALLEST["model"], "sageMaker": SAGEMAKER}, "create a second TGIEndpoint", id="to AWS"
        ),
        pytest.param(
            {"model": SMALLEST["model"], "sageMaker": SAGEMAKER}, spec(), "create a second TGIEndpoint", id="to pods"
        ),
        pytest.param(
            spec(cache={"size": "1Gi", "storageClassName": "a"}),
            spec(cache={"size": "1Gi", "storageClassName": "b"}),
            "immutable",
            id="another class",
        ),
        pytest.param(
            spec(cache={"size": "1Gi"}),
            spec(cache={"size": "1Gi", "accessMode": "ReadWriteOnce"}),
            "immutable",
            id="a mode",
        ),
        pytest.param(
            spec(cache={"size": "1Gi", "storageClassName": "a"}),
            spec(cache={"size": "1Gi"}),
            "immutable",
            id="a class, removed to be set anew",
        ),
    ],
)
def test_what_cannot_be_changed(endpoints: Endpoints, before: Spec, after: Spec, message: str) -> None:
    endpoints.create(before)
    with pytest.raises(ApiError, match=message):
        endpoints.update(after)


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(spec(cache={"size": "2Gi"}), id="a larger claim"),
        pytest.param(spec(cache={"claimName": "shared"}), id="another claim"),
        pytest.param(spec(), id="no claim"),
        pytest.param(spec({"replicas": 0}), id="no replicas"),
        pytest.param(
            spec({"replicas": 3, "rollout": {"maxSurge": 1}}, cache={"size": "1Gi"}, gpu={"count": 4}), id="more"
        ),
    ],
)
def test_the_rest_can_be_changed(endpoints: Endpoints, after: Spec) -> None:
    endpoints.create(spec(cache={"size": "1Gi"}))
    assert endpoints.update(after)["metadata"]["generation"] == 2
