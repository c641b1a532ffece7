"""The pod of TGI: the launcher's input, and the requests to Kubernetes."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgi_operator.api.incluster import PodDefault
from tgi_operator.backends.incluster.desired import names
from tgi_operator.backends.incluster.kinds import Object
from unit.operator.incluster.given import CACHED, OWNER, TOKEN, container, desired, environment, spec

HOME = desired(spec(**CACHED)).source.home
GATED = {"model": {"uri": "hf://meta-llama/Llama-3.1-8B", "tokenSecretRef": {"name": "hub", "key": "token"}}}
SPREAD = {
    "topologyKey": "kubernetes.io/hostname",
    "maxSkew": 1,
    "whenUnsatisfiable": "ScheduleAnyway",
    "labelSelector": {"matchLabels": names.selector(OWNER)},
    "matchLabelKeys": ["pod-template-hash"],
}
TAINT = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


def pod(described: dict[str, Any], token: str | None = None) -> Object:
    found: Object = desired(described, token).template["spec"]
    return found


def metadata(described: dict[str, Any], token: str | None = None) -> Object:
    found: Object = desired(described, token).template["metadata"]
    return found


def tgi(described: dict[str, Any]) -> Object:
    return container(desired(described))


def test_smallest_spec_is_this_pod() -> None:
    wanted = desired(spec())
    assert environment(wanted) == {
        "HF_HOME": "/data",
        "HUGGINGFACE_HUB_CACHE": "/data/hub",
        "MODEL_ID": "HuggingFaceH4/zephyr-7b-beta",
        "NUM_SHARD": "1",
        "PORT": "8080",
        "USAGE_STATS": "off",
    }
    found = container(wanted)
    assert found["image"] == "ghcr.io/huggingface/text-generation-inference:3.3.7"
    assert found["resources"] == {
        "requests": {"nvidia.com/gpu": "1", "cpu": "1", "memory": "4Gi", "ephemeral-storage": "27Gi"},
        "limits": {"nvidia.com/gpu": "1"},
    }
    assert found["ports"] == [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]
    assert found["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert found["terminationMessagePolicy"] == "FallbackToLogsOnError"
    template = wanted.template["spec"]
    assert template["enableServiceLinks"] is False
    assert template["automountServiceAccountToken"] is False
    assert template["terminationGracePeriodSeconds"] == 480
    assert template["tolerations"] == [TAINT]
    assert template["nodeSelector"] == {"kubernetes.io/arch": "amd64"}
    assert template["volumes"] == [
        {"name": "data", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
    ]
    assert template["topologySpreadConstraints"] == [SPREAD]
    for absent in ("affinity", "priorityClassName", "serviceAccountName"):
        assert absent not in template


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        pytest.param(spec(gpu={"count": 4}), {"NUM_SHARD": "4"}, id="all GPUs"),
        pytest.param(
            spec({"runtime": {"numShard": 2}}, gpu={"count": 4}), {"NUM_SHARD": "2"}, id="as many as asked for"
        ),
        pytest.param(
            spec({"model": {"uri": "hf://tiiuae/falcon-7b"}}, gpu={"count": 4}), {"NUM_SHARD": "1"}, id="71 heads"
        ),
        pytest.param(spec({"model": {"uri": "pvc://x/falcon-7b"}}), {"NUM_SHARD": "1"}, id="nothing known of a claim"),
        pytest.param(spec({"runtime": {"trustRemoteCode": True}}), {"TRUST_REMOTE_CODE": "true"}, id="true"),
        pytest.param(spec({"runtime": {"trustRemoteCode": False}}), {"TRUST_REMOTE_CODE": "false"}, id="false"),
        pytest.param(
            spec({"runtime": {"env": [{"name": "USAGE_STATS", "value": "on"}]}}), {"USAGE_STATS": "on"}, id="statistics"
        ),
        pytest.param(
            spec({"model": {"uri": "hf://a/b", "revision": "refs/pr/1"}}), {"REVISION": "refs/pr/1"}, id="a revision"
        ),
        pytest.param(
            spec({"runtime": {"maxInputTokens": 10, "version": "2.0.4"}}), {"MAX_INPUT_LENGTH": "10"}, id="an old TGI"
        ),
        pytest.param(
            spec({"model": {"uri": "pvc://models/zephyr"}}),
            {"MODEL_ID": "/models/zephyr", "HF_HUB_OFFLINE": "1"},
            id="weights of a claim",
        ),
        pytest.param(
            spec({"model": {"uri": "s3://weights/zephyr/"}}, **CACHED),
            {"MODEL_ID": "/data/s3/weights/zephyr", "HF_HUB_OFFLINE": "1"},
            id="weights from S3",
        ),
        pytest.param(
            spec(**CACHED),
            {
                "MODEL_ID": "HuggingFaceH4/zephyr-7b-beta",
                "HF_HUB_OFFLINE": "1",
                "HF_HOME": HOME,
                "HUGGINGFACE_HUB_CACHE": f"{HOME}/hub",
                "HF_MODULES_CACHE": "/data/modules",
            },
            id="weights in a cache",
        ),
        pytest.param(
            spec({"runtime": {"env": [{"name": "HF_MODULES_CACHE", "value": "/x"}]}}, **CACHED),
            {"HF_MODULES_CACHE": "/x"},
            id="another folder for code",
        ),
    ],
)
def test_environment(described: dict[str, Any], expected: dict[str, str]) -> None:
    assert environment(desired(described)).items() >= expected.items()


def test_only_pods_with_a_home_are_labeled_with_it() -> None:
    for described, labeled in ((spec(**CACHED), True), (spec(), False), (spec({"model": {"uri": "pvc://a/b"}}), False)):
        assert (names.LABEL_WEIGHTS in desired(described).template["metadata"]["labels"]) is labeled
    changed = {"metadata": {"labels": {names.LABEL_WEIGHTS: "other"}}}
    labels = desired(spec(**CACHED, podTemplate=changed)).template["metadata"]["labels"]
    assert labels[names.LABEL_WEIGHTS] == HOME.rpartition("/")[2]


@pytest.mark.parametrize(
    ("described", "groups"),
    [
        pytest.param(spec({"model": {"uri": "hf://a/b", "allowPickle": True}}, **CACHED), [65532], id="it converts"),
        pytest.param(spec({"model": {"uri": "s3://a-b/c/", "allowPickle": True}}, **CACHED), [65532], id="from S3"),
        pytest.param(spec(**CACHED), None, id="it only reads"),
        pytest.param(spec({"model": {"uri": "hf://a/b", "allowPickle": True}}), None, id="its own volume"),
        pytest.param(spec({"model": {"uri": "pvc://a/b", "allowPickle": True}}), None, id="a claim for reading"),
    ],
)
def test_tgi_is_in_the_group_of_the_job_only_if_it_may_have_to_write(
    described: dict[str, Any], groups: list[int] | None
) -> None:
    assert desired(described).template["spec"]["securityContext"].get("supplementalGroups") == groups


def test_only_pods_that_find_all_weights_are_offline() -> None:
    assert "HF_HUB_OFFLINE" not in environment(desired(spec()))
    assert "REVISION" not in environment(desired(spec()))


def expanded(value: str, known: dict[str, str]) -> str:
    """Return a variable's value as the kubelet expands it (k8s.io/kubernetes third_party/forked/golang/expansion)."""

    def one(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else known.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", one, value)


@pytest.mark.parametrize("value", ["pa$$word", "$(PORT)", "$$(PORT)", "a$b", "$", "100%"])
def test_value_reaches_the_launcher_exactly_as_it_is_written(value: str) -> None:
    described = spec({"runtime": {"env": [{"name": "SOME_TEXT", "value": value}]}})
    known: dict[str, str] = {}
    for variable in tgi(described)["env"]:
        known[variable["name"]] = expanded(variable["value"], known)
    assert known["SOME_TEXT"] == value


def test_token_is_a_reference() -> None:
    described = spec(GATED)
    assert container(desired(described, TOKEN))["env"][-1] == {
        "name": "HF_TOKEN",
        "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}},
    }


def test_secret_variables_are_references_after_all_others() -> None:
    reference = {"valueFrom": {"secretKeyRef": {"name": "keys", "key": "api"}}}
    env = [{"name": "API_KEY", **reference}, {"name": "ZZZ", "value": "z"}]
    found = desired(spec(GATED | {"runtime": {"env": env}}), TOKEN, env={"API_KEY": "secret-of-the-api"})
    (container,) = found.template["spec"]["containers"]
    assert [each["name"] for each in container["env"][-3:]] == ["ZZZ", "HF_TOKEN", "API_KEY"]
    assert container["env"][-1] == {"name": "API_KEY", **reference}
    assert "secret-of-the-api" not in f"{found} {found.template} {found.job}"


def test_another_value_of_the_token_changes_no_pod_and_the_job_only() -> None:
    one, other = desired(spec(GATED), TOKEN), desired(spec(GATED), "hf_other")
    assert (one.revision, one.inputs, one.template) == (other.revision, other.inputs, other.template)
    one, other = desired(spec(GATED, **CACHED), TOKEN), desired(spec(GATED, **CACHED), "hf_other")
    assert (one.revision, one.inputs, one.template) == (other.revision, other.inputs, other.template)
    assert one.job is not None
    assert other.job is not None
    assert one.job["spec"] == other.job["spec"]
    assert one.job != other.job


def test_pods_with_all_weights_have_no_token() -> None:
    wanted = desired(spec(GATED, **CACHED), TOKEN)
    assert "HF_TOKEN" not in str(wanted.template)
    assert "annotations" not in wanted.template["metadata"]


@pytest.mark.parametrize(
    ("uri", "storage"),
    [
        ("hf://a/zephyr-7b", "27Gi"),
        ("hf://a/Llama-3.1-70B", "178Gi"),
        ("hf://a/Mixtral-8x7B", "145Gi"),
        ("hf://a/Qwen2.5-0.5B", "12Gi"),
        ("hf://a/unknown", "50Gi"),
    ],
)
def test_node_must_have_room_for_what_is_downloaded(uri: str, storage: str) -> None:
    assert tgi(spec({"model": {"uri": uri}}))["resources"]["requests"]["ephemeral-storage"] == storage


@pytest.mark.parametrize(
    "described",
    [
        pytest.param(spec(**CACHED), id="weights in a cache"),
        pytest.param(spec({"model": {"uri": "pvc://models/x"}}), id="weights of a claim"),
        pytest.param(spec(resources={"limits": {"ephemeral-storage": "1Gi"}}), id="a limit that is said"),
    ],
)
def test_node_needs_no_room_else(described: dict[str, Any]) -> None:
    assert "ephemeral-storage" not in tgi(described)["resources"]["requests"]


def test_room_that_is_said_is_asked_for() -> None:
    resources = tgi(spec(resources={"requests": {"ephemeral-storage": "1Gi", "cpu": 4}}))["resources"]
    assert resources["requests"] == {"ephemeral-storage": "1Gi", "cpu": "4", "memory": "4Gi", "nvidia.com/gpu": "1"}


def in_template(**resources: dict[str, str]) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "tgi", "resources": resources}]}}


@pytest.mark.parametrize(
    ("in_cluster", "requests", "limits"),
    [
        pytest.param({}, {"cpu": "1", "memory": "4Gi"}, {}, id="neither is set"),
        pytest.param({"gpu": {"count": 4}}, {"cpu": "4", "memory": "16Gi"}, {}, id="for each GPU"),
        pytest.param({"omitDefaults": ["GPURequest"]}, {"cpu": "1", "memory": "4Gi"}, {}, id="on CPUs"),
        pytest.param(
            {"resources": {"requests": {"memory": "24Gi"}}}, {"cpu": "1", "memory": "24Gi"}, {}, id="one request is set"
        ),
        pytest.param(
            {"resources": {"limits": {"memory": "2Gi"}}}, {"cpu": "1"}, {"memory": "2Gi"}, id="a limit is the request"
        ),
        pytest.param(
            {"resources": {"limits": {"memory": "8Gi"}, "requests": {"memory": "1Gi"}}},
            {"cpu": "1", "memory": "1Gi"},
            {"memory": "8Gi"},
            id="a limit and a request",
        ),
        pytest.param(
            {"podTemplate": in_template(limits={"cpu": "500m", "ephemeral-storage": "1Gi"})},
            {"memory": "4Gi"},
            {"cpu": "500m", "ephemeral-storage": "1Gi"},
            id="limits of podTemplate",
        ),
        pytest.param(
            {"podTemplate": in_template(requests={"cpu": "2"})},
            {"cpu": "2", "memory": "4Gi"},
            {},
            id="requests of podTemplate",
        ),
    ],
)
def test_requests_of_cpu_and_memory(
    in_cluster: dict[str, Any], requests: dict[str, str], limits: dict[str, str]
) -> None:
    found = tgi(spec({"model": {"uri": "pvc://models/x"}}, **in_cluster))["resources"]
    gpus = {} if "omitDefaults" in in_cluster else {"nvidia.com/gpu": str(in_cluster.get("gpu", {}).get("count", 1))}
    assert found == {"requests": requests | gpus, "limits": limits | gpus}


def test_limit_of_storage_in_the_template_replaces_the_request() -> None:
    described = spec(podTemplate=in_template(limits={"ephemeral-storage": "1Gi"}))
    assert "ephemeral-storage" not in tgi(described)["resources"]["requests"]


OWN_SPREAD = {"topologyKey": "zone", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"}


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        pytest.param(spec(), [SPREAD], id="across nodes"),
        pytest.param(spec({"replicas": 3}), [SPREAD], id="scaling changes no pod"),
        pytest.param(spec(topologySpreadConstraints=[]), None, id="none"),
        pytest.param(
            spec(topologySpreadConstraints=[OWN_SPREAD]), [SPREAD | OWN_SPREAD], id="those of the spec, by revision"
        ),
        pytest.param(
            spec(podTemplate={"spec": {"topologySpreadConstraints": [OWN_SPREAD]}}),
            [OWN_SPREAD],
            id="those of podTemplate",
        ),
        pytest.param(spec(podTemplate={"spec": {}}), [SPREAD], id="podTemplate without any"),
    ],
)
def test_spread(described: dict[str, Any], expected: list[Object] | None) -> None:
    assert pod(described).get("topologySpreadConstraints") == expected


def test_pods_that_autoscalers_must_not_disrupt() -> None:
    kept = {"karpenter.sh/do-not-disrupt": "true", "cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
    assert metadata(spec(doNotDisrupt=True))["annotations"] == kept
    own = {"metadata": {"annotations": {"karpenter.sh/do-not-disrupt": "30m", "team": "ml"}}}
    changed = kept | {"karpenter.sh/do-not-disrupt": "30m", "team": "ml"}
    assert metadata(spec(doNotDisrupt=True, podTemplate=own))["annotations"] == changed
    assert "annotations" not in metadata(spec())
    job = desired(spec(doNotDisrupt=True, **CACHED)).job
    assert job is not None
    assert not job["spec"]["template"]["metadata"].get("annotations")


quantities = st.dictionaries(st.sampled_from(["cpu", "memory", "ephemeral-storage"]), st.sampled_from(["1", "24Gi"]))


@settings(max_examples=50)
@given(
    st.integers(1, 16),
    st.sampled_from(["nvidia.com/gpu", "amd.com/gpu"]),
    quantities,
    quantities,
    st.none() | st.integers(1, 64),
)
def test_gpus_are_asked_for_as_limited_and_shards_are_always_said(
    count: int, resource: str, requests: dict[str, str], limits: dict[str, str], shards: int | None
) -> None:
    described = spec(
        {"model": {"uri": "hf://a/b"}, "runtime": {"numShard": shards} if shards else {}},
        gpu={"count": count, "resourceName": resource},
        resources={"requests": requests, "limits": limits},
    )
    wanted = desired(described)
    resources = container(wanted)["resources"]
    assert resources["requests"][resource] == resources["limits"][resource] == str(count)
    assert environment(wanted)["NUM_SHARD"] == str(shards or count)


BOOLEANS = ("TRUST_REMOTE_CODE",)


@given(st.booleans())
def test_booleans_are_exactly_true_or_false(value: bool) -> None:
    found = environment(desired(spec({"runtime": {"trustRemoteCode": value}})))
    assert {found[name] for name in BOOLEANS} == {"true" if value else "false"}


def test_placement() -> None:
    described = spec(
        gpu={"products": ["NVIDIA-L40S", "NVIDIA-L4"]},
        nodeSelector={"pool": "gpu"},
        tolerations=[
            {"key": "spot", "operator": "Equal", "value": "yes", "tolerationSeconds": 5, "effect": "NoExecute"}
        ],
        topologySpreadConstraints=[{"topologyKey": "zone"}],
        priorityClassName="high",
        runtimeClassName="nvidia",
        serviceAccountName="tgi",
    )
    found = pod(described)
    assert found["nodeSelector"] == {"kubernetes.io/arch": "amd64", "pool": "gpu"}
    assert found["tolerations"] == [
        {"key": "spot", "operator": "Equal", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 5}
    ]
    terms = found["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms[0]["matchExpressions"] == [
        {"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-L4", "NVIDIA-L40S"]}
    ]
    assert found["topologySpreadConstraints"] == [
        {
            "topologyKey": "zone",
            "maxSkew": 1,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": names.selector(OWNER)},
            "matchLabelKeys": ["pod-template-hash"],
        }
    ]
    assert (found["priorityClassName"], found["runtimeClassName"], found["serviceAccountName"]) == (
        "high",
        "nvidia",
        "tgi",
    )


@pytest.mark.parametrize(
    ("in_cluster", "expected"),
    [
        pytest.param({}, [TAINT], id="the taint of GPU nodes"),
        pytest.param(
            {"gpu": {"resourceName": "amd.com/gpu"}}, [TAINT | {"key": "amd.com/gpu"}], id="that of another maker"
        ),
        pytest.param({"gpu": {"resourceName": "nvidia.com/mig-3g.20gb"}}, [TAINT], id="the taint of nodes with slices"),
        pytest.param({"gpu": {"resourceName": "nvidia.com/gpu.shared"}}, [TAINT], id="that of nodes with shared GPUs"),
        pytest.param(
            {"gpu": {"resourceName": "gpu.intel.com/xe"}},
            [TAINT | {"key": "gpu.intel.com/xe"}],
            id="that of a maker whose taint is not known",
        ),
        pytest.param({"tolerations": []}, [], id="none, said aloud"),
        pytest.param({"tolerations": [{"operator": "Exists"}]}, [{"operator": "Exists"}], id="all"),
    ],
)
def test_tolerations(in_cluster: dict[str, Any], expected: list[Object]) -> None:
    assert pod(spec(**in_cluster))["tolerations"] == expected


@pytest.mark.parametrize(
    ("described", "failures"),
    [
        pytest.param(spec(), 90, id="900 s"),
        pytest.param(spec(startupTimeoutSeconds=61), 7, id="a time that is no multiple"),
        pytest.param(spec({"model": {"uri": "hf://a/llama-70b"}}), 240, id="a large model"),
    ],
)
def test_time_to_start(described: dict[str, Any], failures: int) -> None:
    probe = tgi(described)["startupProbe"]
    assert (probe["failureThreshold"], probe["periodSeconds"]) == (failures, 10)
    assert probe["httpGet"] == {"path": "/health", "port": "http"}


def test_pod_waits_no_longer_than_its_grace_period_lets_it() -> None:
    variables = [{"name": "GRACEFUL_TERMINATION_TIMEOUT", "value": "30"}]
    found = tgi(spec({"runtime": {"env": variables}}, terminationGracePeriodSeconds=200))
    assert "SECONDS + 135" in found["lifecycle"]["preStop"]["exec"]["command"][2]


@pytest.mark.parametrize(
    "template",
    [
        pytest.param(
            {"metadata": {"labels": {names.LABEL_NAME: "other", names.LABEL_REVISION: "x"}}}, id="other labels"
        ),
        pytest.param({"metadata": {"labels": {"app.kubernetes.io/component": "x"}}}, id="another component"),
        pytest.param({"metadata": {"labels": {}}}, id="no labels"),
        pytest.param({"metadata": {}}, id="no metadata"),
    ],
)
def test_pod_template_never_takes_the_pod_from_its_deployment(template: dict[str, Any]) -> None:
    wanted = desired(spec(podTemplate=template))
    labels = wanted.template["metadata"]["labels"]
    assert labels.items() >= names.selector(OWNER).items()
    assert labels[names.LABEL_REVISION] == wanted.revision


def test_pod_template_has_the_last_word() -> None:
    template = {
        "metadata": {"annotations": {"team": "ml"}},
        "spec": {
            "schedulerName": "batch",
            "securityContext": {"fsGroup": 1000},
            "containers": [
                {
                    "name": "tgi",
                    "env": [{"name": "NCCL_DEBUG", "value": "INFO"}],
                    "livenessProbe": {"tcpSocket": {"port": "http"}},
                    "readinessProbe": {"httpGet": {"path": "/info", "port": 8080}},
                },
                {"name": "log", "image": "log:1"},
            ],
            "volumes": [{"name": "shm", "emptyDir": {"sizeLimit": "8Gi"}}],
        },
    }
    wanted = desired(spec(podTemplate=template))
    assert wanted.template["metadata"]["annotations"] == {"team": "ml"}
    assert wanted.template["spec"]["schedulerName"] == "batch"
    assert wanted.template["spec"]["securityContext"] == {
        "seccompProfile": {"type": "RuntimeDefault"},
        "fsGroup": 1000,
    }
    assert environment(wanted)["NCCL_DEBUG"] == "INFO"
    assert environment(wanted)["NUM_SHARD"] == "1"
    assert container(wanted)["livenessProbe"] == {
        "tcpSocket": {"port": "http"},
        "periodSeconds": 10,
        "failureThreshold": 6,
        "timeoutSeconds": 5,
    }
    assert container(wanted)["readinessProbe"]["httpGet"] == {"path": "/info", "port": 8080}
    assert wanted.template["spec"]["volumes"][1]["emptyDir"] == {"medium": "Memory", "sizeLimit": "8Gi"}


def test_null_changes_nothing() -> None:
    """`kubectl apply` and the API server drop null, so no client may rely on it."""
    template = {"spec": {"containers": [{"name": "tgi", "livenessProbe": None, "lifecycle": None}]}}
    assert desired(spec(podTemplate=template)).template == desired(spec()).template


@pytest.mark.parametrize("volume", ["data", "shm"])
def test_volume_of_the_same_name_has_another_source(volume: str) -> None:
    template = {"spec": {"volumes": [{"name": volume, "ephemeral": {"volumeClaimTemplate": CLAIM_TEMPLATE}}]}}
    volumes = {each["name"]: each for each in desired(spec(podTemplate=template)).template["spec"]["volumes"]}
    assert volumes[volume] == {"name": volume, "ephemeral": {"volumeClaimTemplate": CLAIM_TEMPLATE}}
    assert volumes.keys() == {"data", "shm"}


CLAIM_TEMPLATE = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Gi"}}}}


def test_omitted_defaults_are_left_out_and_nothing_else_is() -> None:
    with_all, pods = desired(spec()), {name: desired(spec(omitDefaults=[name])) for name in PodDefault}
    own = container(with_all)
    probe, hook = container(pods[PodDefault.LIVENESS_PROBE]), container(pods[PodDefault.PRE_STOP_HOOK])
    assert probe == {name: value for name, value in own.items() if name != "livenessProbe"}
    assert hook == {name: value for name, value in own.items() if name != "lifecycle"}
    memory = pods[PodDefault.SHARED_MEMORY]
    assert [each["name"] for each in memory.template["spec"]["volumes"]] == ["data"]
    assert [each["mountPath"] for each in container(memory)["volumeMounts"]] == ["/data"]
    gpus = pods[PodDefault.GPU_REQUEST]
    requests = {"cpu": "1", "memory": "4Gi", "ephemeral-storage": "27Gi"}
    assert container(gpus)["resources"] == {"requests": requests, "limits": {}}
    assert gpus.template["spec"]["tolerations"] == []
    assert desired(spec(omitDefaults=["GPURequest"], tolerations=[{"key": "a"}])).template["spec"]["tolerations"] == [
        {"key": "a"}
    ]
