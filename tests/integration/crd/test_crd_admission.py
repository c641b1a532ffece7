"""The CRD on a real API server: accepted values, refused values and their error messages."""

import copy
import json
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tgi_sandbox.cluster import ControlPlane, build
from tgi_sandbox.cluster.api import ApiError

Spec = dict[str, Any]
Object = dict[str, Any]

SMALLEST: Spec = {
    "model": {"uri": "hf://tiiuae/falcon-7b-instruct"},
    "sageMaker": {
        "region": "eu-west-1",
        "executionRoleARN": "arn:aws:iam::111122223333:role/tgi-exec-falcon",
        "instanceType": "ml.g5.12xlarge",
    },
}
SCHEMES = "must begin with hf://, s3:// or pvc://, such as hf://HuggingFaceH4/zephyr-7b-beta"
ON_HUB = "must be hf://OWNER/NAME, such as hf://HuggingFaceH4/zephyr-7b-beta"
FOLDER = "must be the URI of a folder of safetensors files and end with a slash (s3://BUCKET/FOLDER/)"
FROM_S3 = {"model": {"uri": "s3://weights/falcon/"}}


def spec(changes: Mapping[str, Any] | None = None, **sage_maker: Any) -> Spec:
    """Return a spec with top-level fields and fields of sageMaker that differ from the smallest one."""
    changed = {**copy.deepcopy(SMALLEST), **(changes or {})}
    if "sageMaker" in changed:
        changed["sageMaker"] |= sage_maker
    return changed


def without(described: Spec, *path: str) -> Spec:
    """Return the spec without the field at the path."""
    result = copy.deepcopy(described)
    parent = result
    for name in path[:-1]:
        parent = parent[name]
    del parent[path[-1]]
    return result


def runtime(**fields: Any) -> Spec:
    return spec({"runtime": fields})


class Endpoints:
    """The TGIEndpoints of one namespace."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self._control_plane = control_plane
        self._namespace = namespace
        self._path = f"/apis/tgi-operator.dev/v1alpha1/namespaces/{namespace}/tgiendpoints"

    def create(self, described: Spec, query: str = "") -> Object:
        body = {
            "apiVersion": "tgi-operator.dev/v1alpha1",
            "kind": "TGIEndpoint",
            "metadata": {"name": "falcon-7b"},
            "spec": described,
        }
        return self._control_plane.api.request("POST", f"{self._path}{query}", body)

    def read(self, subresource: str = "") -> Object:
        return self._control_plane.api.request("GET", f"{self._path}/falcon-7b{subresource}")

    def replace(self, changed: Object, subresource: str = "") -> Object:
        return self._control_plane.api.request("PUT", f"{self._path}/falcon-7b{subresource}", changed)

    def update(self, described: Spec) -> Object:
        return self.replace(self.read() | {"spec": described})

    def kubectl(self, *arguments: str, manifest: Object | None = None) -> subprocess.CompletedProcess[str]:
        program = build.ensure(["kubectl"])["kubectl"]
        where = ("--kubeconfig", str(self._control_plane.kubeconfig), "--namespace", self._namespace)
        text = None if manifest is None else json.dumps(manifest)
        return subprocess.run(
            [program, *where, *arguments], input=text, capture_output=True, text=True, check=False, timeout=60
        )


@pytest.fixture
def endpoints(control_plane: ControlPlane, namespace: str) -> Endpoints:
    return Endpoints(control_plane, namespace)


def refusal(act: Callable[[], object]) -> str:
    """Return the error message of the API server; fail if it accepts the object."""
    with pytest.raises(ApiError) as refused:
        act()
    assert refused.value.code in {400, 422}, refused.value
    return str(json.loads(str(refused.value))["message"])


def test_crd_is_established_and_structural(crd: Callable[[], Object]) -> None:
    conditions = {one["type"]: one["status"] for one in crd()["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions


def test_smallest_resource_is_accepted_and_not_taken_for_current(endpoints: Endpoints) -> None:
    created = endpoints.create(SMALLEST)
    assert created["status"] == {"observedGeneration": -1}
    assert created["metadata"]["generation"] == 1
    assert created["spec"] == SMALLEST | {"deletionPolicy": "Delete"}


KEY = {"secretKeyRef": {"name": "keys", "key": "api"}}

ACCEPTED = [
    pytest.param(
        runtime(env=[{"name": f"A{number}", "valueFrom": KEY} for number in range(16)] + [{"name": "B", "value": "1"}]),
        id="as many Secrets as can be",
    ),
    pytest.param(spec(FROM_S3, enableNetworkIsolation=True), id="isolation from the network with weights from S3"),
    pytest.param(spec(enableNetworkIsolation=False), id="a model of the Hub, and no isolation said aloud"),
    pytest.param(spec({"model": {"uri": "s3://weights/"}}), id="a whole bucket"),
    pytest.param(runtime(dtype="float16", quantize="bitsandbytes-nf4"), id="dtype and bitsandbytes"),
    pytest.param(runtime(maxInputTokens=2047, maxTotalTokens=2048), id="room for one token"),
    pytest.param(runtime(version="3.3"), id="a minor version"),
    pytest.param(runtime(env=[{"name": "USAGE_STATS", "value": "off"}]), id="a further option"),
    pytest.param(spec(endpointName="a" * 63), id="an endpoint name of 63 characters"),
    pytest.param(spec(region="us-isob-east-1"), id="a region of another partition"),
    pytest.param(spec(executionRoleARN="arn:aws-us-gov:iam::111122223333:role/path/x"), id="a role of GovCloud"),
    pytest.param(spec(instanceType="ml.p6-b200.48xlarge"), id="an instance type with a hyphen: the operator says more"),
    pytest.param(spec(tags=[{"key": "aws", "value": ""}, {"key": "x/aws:y", "value": "a b"}]), id="tags named alike"),
    pytest.param(spec({"replicas": 1}), id="one replica"),
    pytest.param(spec(vpcConfig={"securityGroupIDs": ["sg-1"], "subnets": ["subnet-1"]}), id="a network"),
]


@pytest.mark.parametrize("described", ACCEPTED)
def test_near_miss_is_accepted(endpoints: Endpoints, described: Spec) -> None:
    assert endpoints.create(described, "?fieldValidation=Strict&dryRun=All")["spec"]


def test_gated_model_at_a_revision_is_accepted(endpoints: Endpoints) -> None:
    model = SMALLEST["model"] | {"revision": "refs/pr/3", "tokenSecretRef": {"name": "hub", "key": "token"}}
    assert endpoints.create(spec({"model": model}))["spec"]["model"] == model


REFUSED = [
    pytest.param(without(SMALLEST, "sageMaker"), "exactly one backend must be set: sageMaker", id="no backend"),
    pytest.param(without(SMALLEST, "model"), "spec.model: Required value", id="no model"),
    pytest.param(without(SMALLEST, "sageMaker", "region"), "spec.sageMaker.region: Required value", id="no region"),
    pytest.param(
        runtime(version="3.3.6", image="own/tgi:1"),
        "at most one of version and image may be set",
        id="a version and an image",
    ),
    pytest.param(
        runtime(dtype="float16", quantize="awq"),
        "at most one of dtype and quantize may be set, except with bitsandbytes",
        id="dtype and quantize",
    ),
    pytest.param(
        runtime(maxInputTokens=2048, maxTotalTokens=2048),
        "maxInputTokens must be less than maxTotalTokens, which also includes the answer",
        id="no room for an answer",
    ),
    pytest.param(runtime(quantize="FP8"), 'spec.runtime.quantize: Unsupported value: "FP8"', id="quantize in capitals"),
    pytest.param(runtime(numShard=0), "should be greater than or equal to 1", id="no shards"),
    pytest.param(runtime(numShard="4"), "spec.runtime.numShard in body must be of type", id="a number as a text"),
    pytest.param(runtime(version="latest"), "must be a TGI version, such as 3.3.6", id="a version that moves"),
    pytest.param(
        runtime(env=[{"name": "QUANTIZE", "value": ""}]),
        "spec.runtime.env[0].value in body should be at least 1 chars long",
        id="an empty option, with which the launcher crashes",
    ),
    pytest.param(
        runtime(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
        'spec.runtime.env[1]: Duplicate value: {"name":"A"}',
        id="an option twice",
    ),
    pytest.param(
        runtime(env=[{"name": "A", "value": "1", "valueFrom": KEY}]),
        "exactly one of value and valueFrom must be set",
        id="an option with two values",
    ),
    pytest.param(
        runtime(env=[{"name": "A"}]), "exactly one of value and valueFrom must be set", id="an option without a value"
    ),
    pytest.param(
        runtime(env=[{"name": "A", "valueFrom": {}}]),
        "spec.runtime.env[0].valueFrom.secretKeyRef: Required value",
        id="a value from nowhere",
    ),
    pytest.param(
        runtime(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "ml/keys", "key": "k"}}}]),
        "must be the name of a Secret",
        id="a Secret of another namespace",
    ),
    pytest.param(
        runtime(env=[{"name": f"A{number}", "valueFrom": KEY} for number in range(17)]),
        "at most 16 variables in env may have valueFrom",
        id="too many Secrets",
    ),
    pytest.param(
        runtime(env=[{"name": "1A", "value": "1"}]), "must be the name of an environment variable", id="no name"
    ),
    *(
        pytest.param(spec({"model": {"uri": uri}}), message, id=reason)
        for uri, reason, message in (
            ("tiiuae/falcon-7b", "a uri without its scheme", SCHEMES),
            ("hf://falcon-7b", "a Hub uri without its owner", ON_HUB),
            ("hf://tiiuae/falcon-7b/main", "a Hub uri with too many parts", ON_HUB),
            (
                "hf://tiiuae/falcon-7b@main",
                "a Hub uri with a revision",
                "without a revision (set model.revision instead)",
            ),
            ("https://huggingface.co/tiiuae/falcon-7b", "the address of a web page", SCHEMES),
            ("s3://weights/falcon", "a prefix of S3 that may be a file", FOLDER),
            ("s3://weights/falcon/model.tar.gz", "an archive", FOLDER),
            ("s3://Weights/falcon/", "a bucket in capitals", FOLDER),
            ("", "an empty uri", SCHEMES),
        )
    ),
    pytest.param(
        spec({"model": FROM_S3["model"] | {"revision": "main"}}),
        "revision requires an hf:// URI",
        id="a revision of weights from S3",
    ),
    pytest.param(
        spec({"model": FROM_S3["model"] | {"tokenSecretRef": {"name": "hub", "key": "token"}}}),
        "tokenSecretRef requires an hf:// URI",
        id="a token for weights from S3",
    ),
    pytest.param(
        spec({"model": SMALLEST["model"] | {"tokenSecretRef": {"name": "hub"}}}),
        "spec.model.tokenSecretRef.key: Required value",
        id="a Secret without its key",
    ),
    pytest.param(
        spec(enableNetworkIsolation=True),
        "enableNetworkIsolation requires an s3:// model.uri because the isolated container cannot access the "
        "Hugging Face Hub",
        id="isolation from the Hub that the model comes from",
    ),
    *(
        pytest.param(
            spec(executionRoleARN=arn),
            "must be the ARN of an IAM role, such as arn:aws:iam::111122223333:role/NAME",
            id=reason,
        )
        for arn, reason in (
            ("arn:aws:iam::111122223333:user/somebody", "a user for a role"),
            ("arn:aws:iam::1111222233:role/tgi-exec", "an account of ten digits"),
            ("tgi-execution-role", "a role by its name"),
        )
    ),
    *(
        pytest.param(spec(instanceType=name), message, id=reason)
        for name, reason, message in (
            ("g5.12xlarge", "an instance type of EC2", "must be a SageMaker instance type, which begins with ml."),
            ("ml.g5", "an instance type without its size", "must be ml.FAMILY.SIZE, such as ml.g5.12xlarge"),
            ("ML.G5.12XLARGE", "an instance type in capitals", "must be a SageMaker instance type"),
        )
    ),
    pytest.param(spec(region="Ireland"), "must be an AWS region, such as us-east-1", id="a region by another name"),
    pytest.param(spec(region="us-east-1a"), "(not an Availability Zone, such as us-east-1a)", id="a zone"),
    pytest.param(
        spec(endpointName="a" * 64),
        "spec.sageMaker.endpointName: Too long: may not be more than 63 bytes",
        id="64 chars",
    ),
    *(
        pytest.param(
            spec(endpointName=name), "must consist of groups of lowercase letters and digits, separated by", id=reason
        )
        for name, reason in (
            ("Falcon", "an endpoint name in capitals, which AWS would lower"),
            ("falcon.7b", "an endpoint name with a dot"),
            ("falcon-", "an endpoint name that ends in a hyphen"),
        )
    ),
    *(
        pytest.param(
            spec(tags=[{"key": key, "value": "x"}]), "tag keys must not begin with aws: or tgi-operator.dev/", id=key
        )
        for key in ("aws:x", "tgi-operator.dev/name")
    ),
    pytest.param(
        spec(tags=[{"key": "team", "value": "a"}, {"key": "team", "value": "b"}]), "Duplicate value", id="a tag twice"
    ),
    pytest.param(
        spec(tags=[{"key": "", "value": "x"}]), "key in body should be at least 1 chars long", id="an empty key"
    ),
    pytest.param(
        spec(tags=[{"key": f"k{number}", "value": ""} for number in range(41)]),
        "must have at most 40 items",
        id="41 tags",
    ),
    pytest.param(spec({"replicas": 0}), "on SageMaker, replicas must be at least 1", id="no replicas"),
    pytest.param(spec({"replicas": 1.5}), "spec.replicas in body must be of type", id="one and a half replicas"),
    pytest.param(spec({"deletionPolicy": "Keep"}), 'Unsupported value: "Keep"', id="an unknown deletion policy"),
    pytest.param(
        spec(containerStartupHealthCheckTimeoutInSeconds=3601),
        "should be less than or equal to 3600",
        id="over an hour",
    ),
    pytest.param(spec(volumeSizeInGB=513), "should be less than or equal to 512", id="a volume larger than AWS has"),
    pytest.param(
        spec(routingConfig={"routingStrategy": "KV_AWARE"}),
        'Unsupported value: "KV_AWARE"',
        id="a routing for vLLM only",
    ),
    pytest.param(
        spec(vpcConfig={"securityGroupIDs": [], "subnets": ["subnet-1"]}),
        "securityGroupIDs in body should have at least 1 items",
        id="a network without a security group",
    ),
]


@pytest.mark.parametrize(("described", "message"), REFUSED)
def test_bad_spec_is_refused(endpoints: Endpoints, described: Spec, message: str) -> None:
    assert message in refusal(lambda: endpoints.create(described, "?dryRun=All"))


NAMED = spec(endpointName="chat")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        pytest.param(
            SMALLEST,
            spec(region="us-east-1"),
            "region is immutable; to use a different region, create a new TGIEndpoint",
            id="the region",
        ),
        pytest.param(NAMED, spec(endpointName="talk"), "endpointName is immutable", id="the endpoint's name"),
        pytest.param(NAMED, SMALLEST, "endpointName is immutable", id="the endpoint's name, removed to be added again"),
        pytest.param(SMALLEST, NAMED, "endpointName is immutable", id="the endpoint's name, added late"),
        pytest.param(SMALLEST, without(SMALLEST, "sageMaker"), "exactly one backend must be set", id="the backend"),
    ],
)
def test_what_names_the_endpoint_cannot_be_changed(
    endpoints: Endpoints, before: Spec, after: Spec, message: str
) -> None:
    endpoints.create(before)
    assert message in refusal(lambda: endpoints.update(after))
    assert endpoints.read()["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(spec({"model": {"uri": "hf://tiiuae/falcon-40b"}}, endpointName="chat"), id="the model"),
        pytest.param(spec(endpointName="chat", instanceType="ml.g5.48xlarge"), id="the instance type"),
        pytest.param(spec({"replicas": 2}, endpointName="chat"), id="the replicas"),
        pytest.param(spec({"deletionPolicy": "Retain"}, endpointName="chat"), id="the deletion policy"),
    ],
)
def test_everything_else_can_be_changed(endpoints: Endpoints, after: Spec) -> None:
    endpoints.create(NAMED)
    assert endpoints.update(after)["metadata"]["generation"] == 2


def test_unknown_field_is_dropped_or_refused_where_asked(endpoints: Endpoints) -> None:
    misspelt = spec(instanceTypes="ml.g5.12xlarge")
    assert 'unknown field "spec.sageMaker.instanceTypes"' in refusal(
        lambda: endpoints.create(misspelt, "?fieldValidation=Strict")
    )
    assert "instanceTypes" not in endpoints.create(misspelt)["spec"]["sageMaker"]


def test_kubectl_refuses_an_unknown_field_by_itself(endpoints: Endpoints) -> None:
    manifest = {
        "apiVersion": "tgi-operator.dev/v1alpha1",
        "kind": "TGIEndpoint",
        "metadata": {"name": "falcon-7b"},
        "spec": runtime(maxTokens=1024),
    }
    applied = endpoints.kubectl("apply", "--validate=strict", "-f", "-", manifest=manifest)
    assert applied.returncode != 0
    assert 'unknown field "spec.runtime.maxTokens"' in applied.stderr


def condition(kind: str, status: str, reason: str) -> Object:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "As the operator says.",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-31T12:00:00Z",
    }


STATUS: Object = {
    "observedGeneration": 1,
    "summary": "1/3 wait",
    "model": "falcon-7b-instr…",
    "hardware": "g5.12xlarge",
    "backend": "SageMaker",
    "replicas": 2,
    "readyReplicas": 1,
    "desiredReplicas": 3,
    "selector": "",
    "url": "https://runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/chat/invocations",
    "currentRevision": "0123456789",
    "conditions": [
        condition("Ready", "False", "Updating"),
        condition("Available", "True", "Serving"),
        condition("Reconciling", "True", "Updating"),
    ],
}


def test_status_is_written_apart_from_the_spec(endpoints: Endpoints) -> None:
    created = endpoints.create(SMALLEST)
    changed = created | {"status": STATUS, "spec": spec({"replicas": 9})}
    written = endpoints.replace(changed, "/status")
    assert written["status"] == STATUS
    assert written["spec"] == created["spec"]
    assert written["metadata"]["generation"] == 1
    assert endpoints.update(spec({"replicas": 2}))["status"] == STATUS


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        pytest.param({"status": "Maybe"}, 'Unsupported value: "Maybe"', id="a status that is none of three"),
        pytest.param({"reason": "two words"}, "reason in body should match", id="a reason of two words"),
        pytest.param({"reason": ""}, "reason in body should", id="no reason"),
        pytest.param({"lastTransitionTime": "noon"}, "must be of type date-time", id="no time"),
    ],
)
def test_condition_must_be_one_of_kubernetes(endpoints: Endpoints, broken: Object, message: str) -> None:
    created = endpoints.create(SMALLEST)
    status = STATUS | {"conditions": [condition("Ready", "True", "InService") | broken]}
    assert message in refusal(lambda: endpoints.replace(created | {"status": status}, "/status"))


def test_scale_reads_and_writes_replicas(endpoints: Endpoints) -> None:
    created = endpoints.create(spec({"replicas": 2}))
    endpoints.replace(created | {"status": STATUS}, "/status")
    scale = endpoints.read("/scale")
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (2, 2)

    endpoints.replace(scale | {"spec": {"replicas": 3}}, "/scale")
    after = endpoints.read()
    assert (after["spec"]["replicas"], after["metadata"]["generation"]) == (3, 2)
    none = endpoints.read("/scale") | {"spec": {"replicas": 0}}
    assert "on SageMaker, replicas must be at least 1" in refusal(lambda: endpoints.replace(none, "/scale"))


def test_kubectl_scale_sets_replicas_where_there_are_none(endpoints: Endpoints) -> None:
    endpoints.create(SMALLEST)
    scaled = endpoints.kubectl("scale", "tgi/falcon-7b", "--replicas=4")
    assert scaled.returncode == 0, scaled.stderr
    assert endpoints.read()["spec"]["replicas"] == 4


def rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines()]


def test_kubectl_get_shows_the_columns(endpoints: Endpoints) -> None:
    created = endpoints.create(spec({"replicas": 3}))
    header, before = rows(endpoints.kubectl("get", "tgi").stdout)
    assert header == ["NAME", "READY", "REASON", "STATUS", "MODEL", "ON"]
    assert before[0] == "falcon-7b"

    endpoints.replace(created | {"status": STATUS}, "/status")
    _, after = rows(endpoints.kubectl("get", "tgi").stdout)
    assert after == ["falcon-7b", "False", "Updating", "1/3", "wait", "falcon-7b-instr…", "g5.12xlarge"]

    _, wide = rows(endpoints.kubectl("get", "tgiendpoint", "falcon-7b", "-o", "wide").stdout)
    uri, url = "hf://tiiuae/falcon-7b-instruct", STATUS["url"]
    assert " ".join(wide[7:10]) == "True SageMaker 0123456789"
    assert " ".join(wide[11:]) == f"{uri} {url} As the operator says."


def test_resource_is_in_its_category(endpoints: Endpoints) -> None:
    endpoints.create(SMALLEST)
    assert endpoints.kubectl("get", "inference", "-o", "name").stdout.split() == [
        "tgiendpoint.tgi-operator.dev/falcon-7b"
    ]


def test_kubectl_wait_does_not_take_an_old_condition_for_an_answer(endpoints: Endpoints) -> None:
    created = endpoints.create(SMALLEST)
    ready = {"observedGeneration": 1, "conditions": [condition("Ready", "True", "InService")]}
    endpoints.replace(created | {"status": ready}, "/status")
    wait = ("wait", "--for=condition=Ready", "tgi/falcon-7b", "--timeout=1s")
    assert endpoints.kubectl(*wait).returncode == 0
    endpoints.update(spec({"replicas": 2}))
    assert endpoints.kubectl(*wait).returncode != 0, "the condition speaks of an older generation"


def test_kubectl_explain_describes_the_fields(endpoints: Endpoints) -> None:
    explained = endpoints.kubectl("explain", "tgi.spec.sageMaker.executionRoleARN").stdout
    assert "IAM role that SageMaker assumes to pull the image" in explained
