"""The source of the weights, and the job that fetches them."""

import re
from dataclasses import replace
from typing import Any

import pytest

from tgi_operator.api.spec import Spec
from tgi_operator.backends.incluster.desired import fetch_job, names, volumes
from tgi_operator.backends.incluster.kinds import Object
from tgi_operator.backends.resource import Owner
from unit.operator.incluster.given import CACHED, FETCHER, OWNER, desired, resource, secret_values, spec, target

HUB = "hf://HuggingFaceH4/zephyr-7b-beta"
FROM_S3 = {"model": {"uri": "s3://weights/zephyr/7b/"}}
FROM_CLAIM = {"model": {"uri": "pvc://models/zephyr/7b"}}
NO_NODE_ROLE = {"name": "AWS_EC2_METADATA_DISABLED", "value": "true"}
GATED = {"model": {"uri": HUB, "revision": "main", "tokenSecretRef": {"name": "hub", "key": "token"}}}


def source(described: dict[str, Any]) -> fetch_job.Source:
    read = Spec.model_validate(described)
    assert read.in_cluster is not None
    return fetch_job.source(OWNER, read, read.in_cluster)


def job(described: dict[str, Any], image: str = FETCHER, env: dict[str, str] | None = None) -> Object:
    wanted = resource(described)
    assert wanted.spec is not None
    volume = volumes.volume(OWNER, wanted.spec.model, target(wanted))
    return fetch_job.job(OWNER, wanted.spec, target(wanted), source(described), image, secret_values(None, env), volume)


def pod_of(made: Object) -> Object:
    found: Object = made["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize(
    ("described", "model_id", "fetch"),
    [
        pytest.param(spec(), "HuggingFaceH4/zephyr-7b-beta", None, id="the Hub"),
        pytest.param(spec(**CACHED), "HuggingFaceH4/zephyr-7b-beta", (HUB, "/data/hub"), id="the Hub, with a cache"),
        pytest.param(
            spec(FROM_S3, **CACHED),
            "/data/s3/weights/zephyr/7b",
            ("s3://weights/zephyr/7b/", "/data/s3/weights/zephyr/7b"),
            id="S3",
        ),
        pytest.param(
            spec({"model": {"uri": "s3://weights/"}}, **CACHED),
            "/data/s3/weights",
            ("s3://weights/", "/data/s3/weights"),
            id="a whole bucket",
        ),
        pytest.param(
            spec(FROM_CLAIM), "/models/zephyr/7b", ("file:///models/zephyr/7b", "/models/zephyr/7b"), id="a claim"
        ),
        pytest.param(
            spec({"model": {"uri": "pvc://models"}}), "/models", ("file:///models", "/models"), id="a whole claim"
        ),
        pytest.param(
            spec({"model": {"uri": "pvc://models/"}}), "/models", ("file:///models", "/models"), id="with a slash"
        ),
    ],
)
def test_model_as_tgi_is_told_it_and_what_is_fetched(
    described: dict[str, Any], model_id: str, fetch: tuple[str, str] | None
) -> None:
    found = source(described)
    assert found.model_id == model_id
    assert found.arguments[:3] == (("fetch", *fetch) if fetch is not None else ())
    assert found.offline is (fetch is not None)


@pytest.mark.parametrize(
    ("described", "claims", "mounts"),
    [
        pytest.param(spec(), [], [{"name": "data", "mountPath": "/data"}], id="no claim"),
        pytest.param(
            spec(**CACHED), [{"claimName": "zephyr-7b-weights"}], [{"name": "data", "mountPath": "/data"}], id="our own"
        ),
        pytest.param(
            spec(cache={"claimName": "shared", "subPath": "a/b"}),
            [{"claimName": "shared"}],
            [{"name": "data", "mountPath": "/data", "subPath": "a/b"}],
            id="a folder of another",
        ),
        pytest.param(
            spec(FROM_CLAIM),
            [{"claimName": "models", "readOnly": True}],
            [{"name": "data", "mountPath": "/data"}, {"name": "model", "mountPath": "/models", "readOnly": True}],
            id="one with the weights, for reading only",
        ),
    ],
)
def test_volumes(described: dict[str, Any], claims: list[Object], mounts: list[Object]) -> None:
    found = source(described)
    assert [volume["persistentVolumeClaim"] for volume in found.volumes if "persistentVolumeClaim" in volume] == claims
    assert list(found.mounts) == mounts
    assert {volume["name"] for volume in found.volumes} == {mount["name"] for mount in mounts}


@pytest.mark.parametrize(
    ("described", "mount"),
    [
        pytest.param(spec(**CACHED), {"mountPath": "/data/hub", "subPath": "hub"}, id="the Hub"),
        pytest.param(spec(FROM_S3, **CACHED), {"mountPath": "/data/s3", "subPath": "s3"}, id="S3"),
        pytest.param(
            spec(cache={"claimName": "shared", "subPath": "a/b"}),
            {"mountPath": "/data/hub", "subPath": "a/b/hub"},
            id="a folder of another",
        ),
    ],
)
def test_pods_only_read_the_weights_and_write_what_is_their_own_elsewhere(
    described: dict[str, Any], mount: dict[str, str]
) -> None:
    found = source(described)
    assert list(found.served_mounts) == [
        {"name": "scratch", "mountPath": "/data"},
        {"name": "data", "readOnly": True, **mount},
    ]
    assert found.served_volumes == (*found.volumes, {"name": "scratch", "emptyDir": {}})
    assert all("readOnly" not in each for each in found.mounts), "the job writes"


@pytest.mark.parametrize("described", [spec(**CACHED), spec(FROM_S3, **CACHED)], ids=["the Hub", "S3"])
def test_pickled_weights_are_converted_beside_themselves(described: dict[str, Any]) -> None:
    allowed = described | {"model": {**described["model"], "allowPickle": True}}
    (_, before), (scratch, mount) = source(described).served_mounts, source(allowed).served_mounts
    assert before == mount | {"readOnly": True}
    assert scratch == {"name": "scratch", "mountPath": "/data"}
    assert "--allow-pickle" in pod_of(job(allowed))["containers"][0]["args"]
    assert "--allow-pickle" not in pod_of(job(described))["containers"][0]["args"]
    assert name(allowed) != name(described), "they must be fetched"


def test_job_is_told_what_to_fetch() -> None:
    (container,) = pod_of(job(spec(GATED, **CACHED)))["containers"]
    assert container["command"] == ["tgi-operator"]
    home = source(spec(GATED, **CACHED)).home.removeprefix("/data/hub/tgi/")
    assert container["args"] == ["fetch", HUB, "/data/hub", "--revision", "main", "--home", home]
    assert container["env"] == [
        NO_NODE_ROLE,
        {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}},
    ]
    assert pod_of(job(spec(FROM_CLAIM)))["containers"][0]["args"] == [
        "fetch",
        "file:///models/zephyr/7b",
        "/models/zephyr/7b",
    ]


def secret(name: str, key: str) -> dict[str, Any]:
    """Return a variable that takes its value from the Secret `keys`."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": "keys", "key": key}}}


KEYS = {"runtime": {"env": [secret("AWS_SECRET_ACCESS_KEY", "secret"), secret("API_KEY", "api")]}}


def test_job_has_the_secret_values_that_it_needs_by_reference() -> None:
    made = job(spec(FROM_S3 | KEYS, **CACHED), env={"AWS_SECRET_ACCESS_KEY": "minio-secret", "API_KEY": "api-key"})
    assert pod_of(made)["containers"][0]["env"] == [secret("AWS_SECRET_ACCESS_KEY", "secret"), NO_NODE_ROLE]
    assert "minio-secret" not in str(made)


@pytest.mark.parametrize(
    ("env", "same"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "minio-secret", "API_KEY": "rotated"}, True),
        ({"AWS_SECRET_ACCESS_KEY": "rotated", "API_KEY": "api-key"}, False),
    ],
    ids=["one that only the pods have", "one of the job"],
)
def test_another_secret_value_makes_another_job_only_if_the_job_has_it(env: dict[str, str], *, same: bool) -> None:
    described = spec(FROM_S3 | KEYS, **CACHED)
    before = job(described, env={"AWS_SECRET_ACCESS_KEY": "minio-secret", "API_KEY": "api-key"})
    after = job(described, env=env)
    assert (before == after) is same
    assert before["metadata"]["name"] == after["metadata"]["name"], "it replaces the job that failed"


def test_a_hub_in_a_secret_has_its_own_job() -> None:
    names_of_jobs = {
        job(spec({"runtime": {"env": env}}, **CACHED))["metadata"]["name"]
        for env in ([], [secret("HF_ENDPOINT", "a")], [secret("HF_ENDPOINT", "b")], [secret("HTTPS_PROXY", "b")])
    }
    assert len(names_of_jobs) == 3


def literal(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "value": value}


MINIO = literal("AWS_ENDPOINT_URL", "http://minio:9000")


@pytest.mark.parametrize(
    ("uri", "env", "same"),
    [
        ("s3://weights/a/", [MINIO], False),
        ("s3://weights/a/", [literal("AWS_ENDPOINT_URL_S3", "http://minio:9000")], False),
        ("s3://weights/a/", [secret("AWS_ENDPOINT_URL", "endpoint")], False),
        ("s3://weights/a/", [literal("AWS_REGION", "eu-west-1")], True),
        (HUB, [MINIO], True),
        ("hf://a/b", [literal("HF_ENDPOINT", "http://hub")], False),
    ],
)
def test_weights_of_another_endpoint_are_fetched_again(uri: str, env: list[dict[str, Any]], *, same: bool) -> None:
    described = {"model": {"uri": uri}}
    with_env = name(spec(described | {"runtime": {"env": env}}, **CACHED))
    assert (with_env == name(spec(described, **CACHED))) is same


def test_identity_depends_on_each_endpoint_but_not_on_their_order() -> None:
    def of(*env: dict[str, Any]) -> str:
        return name(spec(FROM_S3 | {"runtime": {"env": [*env]}}, **CACHED))

    for_s3 = literal("AWS_ENDPOINT_URL_S3", "http://minio:9000")
    assert of(MINIO, for_s3) == of(for_s3, MINIO)
    different = [of(), of(MINIO), of(for_s3), of(MINIO, for_s3), of(literal("AWS_ENDPOINT_URL", "http://other"))]
    assert len(set(different)) == 5


def test_job_never_reads_what_its_node_is_allowed_to() -> None:
    """Even if the author of the resource requests it: the instance metadata service has the role of the node."""
    asked = {"runtime": {"env": [{"name": "AWS_EC2_METADATA_DISABLED", "value": "false"}]}}
    (container,) = pod_of(job(spec(FROM_S3 | asked, **CACHED)))["containers"]
    assert [each for each in container["env"] if "METADATA" in each["name"]] == [NO_NODE_ROLE]


def test_job_that_needs_no_token_has_none() -> None:
    assert pod_of(job(spec(FROM_S3, **CACHED)))["containers"][0]["env"] == [NO_NODE_ROLE]


def test_job_has_no_rights_but_its_volumes() -> None:
    pod = pod_of(job(spec(**CACHED)))
    assert pod["restartPolicy"] == "Never"
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "serviceAccountName" not in pod
    assert pod_of(job(spec(**CACHED, serviceAccountName="reader")))["serviceAccountName"] == "reader"


def test_job_runs_where_the_gpus_are_where_its_volume_is_bound_to_a_node_and_else_where_the_spec_says() -> None:
    placed = {"nodeSelector": {"pool": "gpu"}}
    once = {"cache": {"size": "1Gi", "accessMode": "ReadWriteOnce"}}
    assert pod_of(job(spec(**placed, **once)))["nodeSelector"] == {"kubernetes.io/arch": "amd64", "pool": "gpu"}
    assert pod_of(job(spec(**once)))["tolerations"][0]["key"] == "nvidia.com/gpu"
    for cache in ({"size": "1Gi"}, {"size": "1Gi", "accessMode": "ReadWriteMany"}, {"claimName": "shared"}):
        pod = pod_of(job(spec(**placed, cache=cache)))
        assert pod["nodeSelector"] == {"pool": "gpu"}
        assert "tolerations" not in pod, "the default one is for GPUs"
        taint = {"key": "team", "operator": "Exists", "effect": "NoSchedule"}
        assert pod_of(job(spec(tolerations=[taint], cache=cache)))["tolerations"] == [taint]


def test_job_has_what_the_pods_need_to_be_let_in_and_to_reach_the_hub() -> None:
    changes = {
        "metadata": {
            "labels": {"team": "ml", "app.kubernetes.io/component": "other"},
            "annotations": {"sidecar.istio.io/inject": "false"},
        },
        "spec": {
            "imagePullSecrets": [{"name": "registry"}],
            "volumes": [
                {"name": "ca", "configMap": {"name": "ca"}},
                {"name": "unused", "configMap": {"name": "other"}},
                {"name": "big", "emptyDir": {}},
                {"name": "tmp", "secret": {"secretName": "x"}},
            ],
            "containers": [
                {
                    "name": "tgi",
                    "volumeMounts": [
                        {"name": "ca", "mountPath": "/etc/ca", "readOnly": True},
                        {"name": "big", "mountPath": "/big"},
                        {"name": "tmp", "mountPath": "/x"},
                    ],
                }
            ],
        },
    }
    env = [{"name": "SSL_CERT_FILE", "value": "/etc/ca/all.pem"}, {"name": "https_proxy", "value": "http://proxy:3128"}]
    made = job(spec({"runtime": {"env": env}}, podTemplate=changes, **CACHED))
    metadata, pod = made["spec"]["template"]["metadata"], pod_of(made)
    assert metadata["labels"] == {"team": "ml"} | names.weights_labels(OWNER)
    assert metadata["annotations"] == {"sidecar.istio.io/inject": "false"}
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert [each["name"] for each in pod["volumes"]] == ["data", "tmp", "ca"]
    assert [each["mountPath"] for each in pod["containers"][0]["volumeMounts"]][::2] == ["/data", "/etc/ca"]
    assert [each["name"] for each in pod["containers"][0]["env"]][:2] == ["SSL_CERT_FILE", "https_proxy"]


def test_a_drain_is_no_failure_of_the_download() -> None:
    rules = job(spec(**CACHED))["spec"]["podFailurePolicy"]["rules"]
    assert [each["action"] for each in rules] == ["Ignore", "FailJob"]
    assert rules[0]["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]


def test_job_does_not_ask_for_a_gpu() -> None:
    assert "nvidia.com/gpu" not in str(pod_of(job(spec(**CACHED)))["containers"])


def name(described: dict[str, Any], image: str = FETCHER) -> str:
    return str(job(described, image)["metadata"]["name"])


@pytest.mark.parametrize(
    "described",
    [
        pytest.param(spec({"model": {"uri": HUB, "revision": "v2"}}, **CACHED), id="the revision"),
        pytest.param(spec({"model": {"uri": "hf://HuggingFaceH4/zephyr-7b-alpha"}}, **CACHED), id="the model"),
        pytest.param(spec(FROM_S3, **CACHED), id="the source"),
        pytest.param(spec(cache={"claimName": "shared"}), id="the claim"),
        pytest.param(spec(cache={"size": "100Gi", "subPath": "a"}), id="the folder"),
        pytest.param(
            spec({"runtime": {"env": [{"name": "HF_ENDPOINT", "value": "https://hub.local"}]}}, **CACHED), id="the Hub"
        ),
        pytest.param(
            spec({"runtime": {"env": [{"name": "LORA_ADAPTERS", "value": "a/b"}]}}, **CACHED), id="an adapter"
        ),
        pytest.param(spec({"runtime": {"trustRemoteCode": True}}, **CACHED), id="code of others"),
    ],
)
def test_another_fetch_is_another_job(described: dict[str, Any]) -> None:
    assert name(described) != name(spec(**CACHED))


@pytest.mark.parametrize(
    "described",
    [
        pytest.param(spec(cache={"size": "200Gi"}), id="a larger claim"),
        pytest.param(
            spec({"model": {"uri": HUB, "tokenSecretRef": {"name": "h", "key": "t"}}}, **CACHED), id="a token"
        ),
        pytest.param(spec({"runtime": {"version": "3.3.6"}}, **CACHED), id="another TGI"),
        pytest.param(
            spec({"runtime": {"env": [{"name": "LORA_ADAPTERS", "value": "x=/adapters/x"}]}}, **CACHED),
            id="an adapter in a folder",
        ),
        pytest.param(spec({"replicas": 3}, **CACHED), id="more pods"),
        pytest.param(spec(**CACHED, gpu={"count": 4}), id="more GPUs"),
    ],
)
def test_what_is_fetched_already_is_not_fetched_again(described: dict[str, Any]) -> None:
    assert name(described) == name(spec(**CACHED))
    assert name(described, "operator:next") == name(spec(**CACHED))


def test_only_what_is_fetched_has_a_job() -> None:
    assert desired(spec()).job is None
    for described in (spec(**CACHED), spec(FROM_S3, **CACHED), spec(FROM_CLAIM)):
        assert desired(described).job is not None


def test_job_is_told_what_is_written() -> None:
    """The kubelet replaces $$ by $, and $(NAME) by the variable, in arguments too."""
    described = spec(
        {
            "model": {"uri": "s3://weights/a$$b/$(HOME)/"},
            "runtime": {"env": [{"name": "HTTPS_PROXY", "value": "http://me:pa$$word@proxy:3128"}]},
        },
        **CACHED,
    )
    (container,) = pod_of(job(described))["containers"]
    known = {each["name"]: expanded(each["value"]) for each in container["env"]}
    assert known["HTTPS_PROXY"] == "http://me:pa$$word@proxy:3128"
    assert [expanded(each, HOME="/root") for each in container["args"]] == [
        "fetch",
        "s3://weights/a$$b/$(HOME)/",
        "/data/s3/weights/a$$b/$(HOME)",
    ]


def expanded(value: str, **known: str) -> str:
    """Return the value after expansion by the kubelet (k8s.io/kubernetes third_party/forked/golang/expansion)."""
    return re.sub(r"\$\$|\$\(([^)]*)\)", lambda m: "$" if m[0] == "$$" else known.get(m[1], m[0]), value)


@pytest.mark.parametrize(
    ("described", "tail"),
    [
        pytest.param(spec(FROM_S3, **CACHED), "0166c899ef", id="S3"),
        pytest.param(spec(FROM_S3 | {"runtime": {"trustRemoteCode": True}}, **CACHED), "0166c899ef", id="S3 and code"),
        pytest.param(spec(FROM_CLAIM), "d3468aa4f2", id="a claim"),
        pytest.param(spec({"model": {"uri": HUB, "allowPickle": True}}, **CACHED), "94e7cce123", id="the Hub"),
    ],
)
def test_weights_of_earlier_versions_are_not_fetched_again(described: dict[str, Any], tail: str) -> None:
    """Their Job keeps its name, which earlier versions derived in the same way.

    For the Hub, these are versions with homes.
    """
    assert name(described) == f"zephyr-7b-fetch-{tail}"


def test_adapters_on_the_hub_are_fetched_with_the_model() -> None:
    env = [{"name": "LORA_ADAPTERS", "value": "a/sql, x=/adapters/x,a/chat@v1"}]
    arguments = pod_of(job(spec({"runtime": {"env": env, "trustRemoteCode": True}}, **CACHED)))["containers"][0]["args"]
    assert arguments[3:8] == ["--adapter", "a/sql", "--adapter", "a/chat@v1", "--trust-remote-code"]


def test_home_is_that_of_one_resource_in_one_cluster() -> None:
    def home(owner: Owner) -> str:
        read = Spec.model_validate(spec(cache={"claimName": "shared"}))
        assert read.in_cluster is not None
        return fetch_job.source(owner, read, read.in_cluster).home.rsplit("/", 1)[0]

    others = [replace(OWNER, uid="u-2"), replace(OWNER, cluster="c-2")]
    assert len({home(OWNER), *map(home, others)}) == 3


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("model", "fetched_again"),
    [
        pytest.param({"uri": HUB}, True, id="main"),
        pytest.param({"uri": HUB, "revision": "v1"}, True, id="a branch"),
        pytest.param({"uri": HUB, "revision": COMMIT}, False, id="a commit"),
        pytest.param({"uri": "s3://weights/zephyr/7b/"}, False, id="S3"),
    ],
)
def test_new_rendering_takes_the_newest_commit_of_a_branch(model: dict[str, str], fetched_again: bool) -> None:
    read = Spec.model_validate(spec({"model": model}, **CACHED))
    assert read.in_cluster is not None
    before, after = (fetch_job.source(OWNER, read, read.in_cluster, request) for request in ("", "now"))
    assert (before.identity != after.identity) is fetched_again


def test_home_of_a_job_is_read_whatever_containers_others_add() -> None:
    made = job(spec(**CACHED))
    home = source(spec(**CACHED)).home.removeprefix("/data/hub/tgi/")
    pod_of(made)["containers"].insert(0, {"name": "sidecar", "image": "proxy:1"})
    assert fetch_job.made_home(made) == home
    assert fetch_job.made_home(job(spec(FROM_S3, **CACHED))) is None


def test_only_what_a_job_is_told_to_keep_is_read_from_it() -> None:
    made = fetch_job.keeping(job(spec(**CACHED)), ["b" * 10, "a" * 10, source(spec(**CACHED)).identity])
    assert pod_of(made)["containers"][0]["args"][-4:] == ["--keep", "a" * 10, "--keep", "b" * 10]
    assert fetch_job.kept(made) == {"a" * 10, "b" * 10}
    from_s3 = job(spec(FROM_S3, **CACHED))
    assert fetch_job.keeping(from_s3, ["a" * 10]) == from_s3
