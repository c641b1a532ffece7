"""AWS requests from specs: valid by botocore's own model, and stable for years."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.session import get_session
from botocore.validate import validate_parameters
from hypothesis import given, settings
from hypothesis import strategies as st

from tgi_operator.api.sagemaker import RoutingStrategy
from tgi_operator.api.spec import DType, Quantize, Spec
from tgi_operator.api.status import Status
from tgi_operator.backends.keys import Key
from tgi_operator.backends.resource import Owner, Resource
from tgi_operator.backends.sagemaker.aws.scope import Scope
from tgi_operator.backends.sagemaker.desired import checks, names, places, render
from tgi_operator.backends.sagemaker.desired.render import Desired
from tgi_operator.backends.secret_values import SecretValue, SecretValues
from tgi_operator.engines.tgi import images
from tgi_sandbox.aws.validation import validate as validate_as_aws

EXAMPLE = Path(__file__).parents[4] / "manifests" / "examples" / "tgiendpoint.yaml"
OWNER = Owner("c-1", "ml", "zephyr-7b", "u-1")
TOKEN = "hf_" + "s3cr3t" * 5
SESSION = get_session()
MODEL = SESSION.get_service_model("sagemaker")
MINIMAL: dict[str, Any] = {
    "model": {"uri": "hf://HuggingFaceH4/zephyr-7b-beta"},
    "sageMaker": {
        "region": "us-east-1",
        "executionRoleARN": "arn:aws:iam::111122223333:role/tgi-exec",
        "instanceType": "ml.g5.12xlarge",
    },
}
REPOSITORY = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-tgi-inference"
ENDPOINT = names.endpoint_name(Key("ml", "zephyr-7b"))
NEWEST = f"{REPOSITORY}:2.7.0-tgi3.3.6-gpu-py311-cu124-ubuntu22.04"


def spec(changes: dict[str, Any] | None = None, **sage_maker: Any) -> dict[str, Any]:
    """Return a spec with top-level fields and fields of sageMaker that differ from the smallest one."""
    return MINIMAL | (changes or {}) | {"sageMaker": MINIMAL["sageMaker"] | sage_maker}


def desired(
    described: dict[str, Any],
    token: str | None = None,
    image: str | None = None,
    env: dict[str, SecretValue] | None = None,
) -> Desired:
    spec = Spec.model_validate(described)
    resource = Resource(OWNER, 1, deleting=False, spec=spec, status=Status(), fields=described)
    assert spec.sage_maker is not None
    secrets = SecretValues(SecretValue(token, "s-1") if token is not None else None, env or {})
    return render.desired(
        places.generated(resource.key, resource.fields), resource, spec, spec.sage_maker, secrets, image
    )


def environment(described: dict[str, Any], token: str | None = None) -> dict[str, str]:
    container: dict[str, dict[str, str]] = desired(described, token).model["PrimaryContainer"]
    return container["Environment"]


def variant(described: dict[str, Any]) -> dict[str, Any]:
    (only,) = desired(described).config["ProductionVariants"]
    return dict(only)


def requests(wanted: Desired) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("CreateModel", wanted.create_model()),
        ("CreateEndpointConfig", wanted.create_endpoint_config(wanted.replicas or 1)),
        ("CreateEndpoint", wanted.create_endpoint()),
        ("UpdateEndpoint", wanted.update_endpoint()),
        ("UpdateEndpointWeightsAndCapacities", wanted.scale(wanted.replicas or 1)),
    ]


def test_example_is_these_three_requests() -> None:
    """A change of the revision replaces every existing endpoint: it must be intentional."""
    example = yaml.safe_load(EXAMPLE.read_text())["spec"]
    example["sageMaker"] |= {
        "executionRoleARN": "arn:aws:iam::111122223333:role/tgi-exec",
        "instanceType": "ml.g5.12xlarge",
    }
    wanted = desired(example)
    tags = [
        {"Key": "tgi-operator.dev/cluster", "Value": "c-1"},
        {"Key": "tgi-operator.dev/name", "Value": "zephyr-7b"},
        {"Key": "tgi-operator.dev/namespace", "Value": "ml"},
        {"Key": "tgi-operator.dev/uid", "Value": "u-1"},
    ]
    assert wanted.revision == "745f6661f8"
    assert wanted.create_model() == {
        "ModelName": f"{ENDPOINT}-745f6661f8",
        "PrimaryContainer": {
            "Image": NEWEST,
            "Environment": {
                "HF_MODEL_ID": "HuggingFaceH4/zephyr-7b-beta",
                "SM_NUM_GPUS": "4",
                "MAX_INPUT_TOKENS": "1024",
                "MAX_TOTAL_TOKENS": "2048",
            },
        },
        "ExecutionRoleArn": "arn:aws:iam::111122223333:role/tgi-exec",
        "Tags": tags,
    }
    assert wanted.create_endpoint_config(1) == {
        "EndpointConfigName": f"{ENDPOINT}-745f6661f8",
        "ProductionVariants": [
            {
                "VariantName": "AllTraffic",
                "ModelName": f"{ENDPOINT}-745f6661f8",
                "InitialInstanceCount": 1,
                "InstanceType": "ml.g5.12xlarge",
                "ContainerStartupHealthCheckTimeoutInSeconds": 900,
                "ModelDataDownloadTimeoutInSeconds": 900,
                "InferenceAmiVersion": "al2-ami-sagemaker-inference-gpu-3-1",
            }
        ],
        "Tags": [*tags[:3], {"Key": "tgi-operator.dev/rendered-from", "Value": wanted.rendered_from}, tags[3]],
    }
    assert wanted.create_endpoint() == {
        "EndpointName": ENDPOINT,
        "EndpointConfigName": f"{ENDPOINT}-745f6661f8",
        "Tags": tags,
    }


ascii_text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=1024)
tag_text = st.text("abcXYZ019 _.:/=+-@", max_size=64)
instance_types = st.sampled_from(
    ["ml.g4dn.xlarge", "ml.g5.2xlarge", "ml.g6e.48xlarge", "ml.p4d.24xlarge", "ml.p5.4xlarge"]
)
names_of_aws = st.from_regex(r"[-0-9a-zA-Z]{1,32}", fullmatch=True)


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """Draw any spec that the API server and the checks would accept."""
    region = draw(st.sampled_from(sorted(images.catalogue()["registries"])))
    from_s3 = draw(st.booleans())
    if from_s3:
        model = {
            "uri": draw(st.from_regex(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([a-z0-9/._-]{0,40}/)?", fullmatch=True))
        }
    else:
        uris = st.from_regex(r"hf://[A-Za-z0-9][A-Za-z0-9._-]{0,90}/[A-Za-z0-9][A-Za-z0-9._-]{0,90}", fullmatch=True)
        model = {"uri": draw(uris)} | draw(
            optional(revision=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,254}", fullmatch=True))
        )
    runtime = draw(
        optional(
            dtype=st.sampled_from(DType),
            quantize=st.sampled_from(Quantize),
            numShard=st.integers(1, 64),
            maxInputTokens=st.integers(1, 2**31 - 1),
            maxTotalTokens=st.integers(1, 2**31 - 1),
            trustRemoteCode=st.booleans(),
            env=st.lists(
                st.fixed_dictionaries(
                    {"name": st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,127}", fullmatch=True), "value": ascii_text}
                ),
                max_size=5,
                unique_by=lambda variable: str(variable["name"]),
            ),
        )
    )
    runtime |= draw(
        st.one_of(
            st.just({}),
            st.fixed_dictionaries({"version": st.sampled_from(sorted(images.catalogue()["versions"]))}),
            st.fixed_dictionaries({"image": st.from_regex(r"[!-~]{1,255}", fullmatch=True)}),
        )
    )
    sage_maker = {
        "region": region,
        "executionRoleARN": f"arn:{images.partition(region)}:iam::111122223333:role/"
        + draw(st.from_regex(r"[a-zA-Z_0-9+=,.@\-_/]{1,64}", fullmatch=True)),
        "instanceType": draw(instance_types),
    } | draw(
        optional(
            endpointName=st.from_regex(r"[a-z0-9](-?[a-z0-9]){0,31}", fullmatch=True),
            volumeSizeInGB=st.integers(1, 512),
            containerStartupHealthCheckTimeoutInSeconds=st.integers(60, 3600),
            modelDataDownloadTimeoutInSeconds=st.integers(60, 3600),
            vpcConfig=st.fixed_dictionaries(
                {
                    "securityGroupIDs": st.lists(names_of_aws, min_size=1, max_size=5, unique=True),
                    "subnets": st.lists(names_of_aws, min_size=1, max_size=16, unique=True),
                }
            ),
            kmsKeyID=st.from_regex(r"[a-zA-Z0-9:/_-]{1,2048}", fullmatch=True),
            enableNetworkIsolation=st.just(False) if not from_s3 else st.booleans(),
            routingConfig=st.fixed_dictionaries({"routingStrategy": st.sampled_from(RoutingStrategy)}),
            inferenceAMIVersion=st.sampled_from(MODEL.shape_for("ProductionVariantInferenceAmiVersion").enum),
            tags=st.lists(
                st.fixed_dictionaries({"key": tag_text.filter(bool), "value": tag_text}),
                max_size=40,
                unique_by=lambda tag: str(tag["key"]),
            ),
        )
    )
    return {"model": model, "runtime": runtime, "sageMaker": sage_maker} | draw(optional(replicas=st.integers(1, 1000)))


@given(specs(), st.none() | ascii_text)
def test_every_request_of_every_spec_is_one_that_aws_reads(described: dict[str, Any], token: str | None) -> None:
    wanted = desired(described, token)
    for operation, request in requests(wanted):
        validate_parameters(request, MODEL.operation_model(operation).input_shape)
        # botocore only checks types and minimum lengths; AWS also checks patterns, enums and maximum lengths.
        validate_as_aws(operation, request)


@settings(max_examples=50)
@given(specs(), st.none() | ascii_text)
def test_same_spec_is_the_same_revision_and_another_way_to_write_it_too(
    described: dict[str, Any], token: str | None
) -> None:
    backwards = yaml.safe_load(yaml.safe_dump(Spec.model_validate(described).model_dump(mode="json", by_alias=True)))
    backwards["runtime"]["env"].reverse()
    if network := backwards["sageMaker"]["vpcConfig"]:
        network["securityGroupIDs"].reverse()
        network["subnets"].reverse()
    assert desired(backwards, token).revision == desired(described, token).revision


@settings(max_examples=30)
@given(specs())
def test_token_is_never_in_what_is_printed(described: dict[str, Any]) -> None:
    wanted = desired(described, TOKEN)
    assert wanted.secrets.token is not None
    assert wanted.secrets.token.value == TOKEN
    for text in (repr(wanted), str(wanted), f"{wanted}", repr(replace(wanted, replicas=2))):
        assert TOKEN not in text


@pytest.mark.parametrize(
    ("version", "names"),
    [
        pytest.param("1.4.5", {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}, id="the last that knows the legacy name only"),
        pytest.param("2.0.0", {"HF_TOKEN"}, id="the first that knows the name of today"),
        pytest.param("3.3.6", {"HF_TOKEN"}, id="the newest"),
    ],
)
def test_token_has_the_name_of_the_version(version: str, names: set[str]) -> None:
    values = environment(spec({"runtime": {"version": version}}), TOKEN)
    assert {name for name, value in values.items() if value == TOKEN} == names


FROM_SECRET = spec(
    {"runtime": {"env": [{"name": "PROXY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "proxy"}}}]}}
)


def test_secret_variable_is_in_the_environment_and_in_nothing_printed() -> None:
    made = desired(FROM_SECRET, env={"PROXY": SecretValue("secret-of-the-proxy", "ml/keys/proxy")})
    assert made.create_model()["PrimaryContainer"]["Environment"]["PROXY"] == "secret-of-the-proxy"
    assert "secret-of-the-proxy" not in f"{made} {made!r} {made.tags} {made.revision} {made.rendered_from}"


def test_another_secret_value_is_another_revision() -> None:
    values = [SecretValue("first", "ml/keys/proxy"), SecretValue("second", "ml/keys/proxy")]
    made = [desired(FROM_SECRET, env={"PROXY": value}) for value in (*values, values[0])]
    assert made[0].revision != made[1].revision
    assert made[0].revision == made[2].revision


def test_another_token_is_another_revision() -> None:
    revisions = {desired(spec(), token).revision for token in (None, TOKEN, "hf_other")}
    assert len(revisions) == 3
    assert desired(spec()).secrets.token is None


@pytest.mark.parametrize(
    ("change", "sage_maker"),
    [
        pytest.param({"model": {"uri": "hf://HuggingFaceH4/zephyr-7b-alpha"}}, {}, id="the model"),
        pytest.param({"model": MINIMAL["model"] | {"revision": "main"}}, {}, id="the model's revision"),
        pytest.param({"runtime": {"version": "3.2.3"}}, {}, id="the version"),
        pytest.param({"runtime": {"image": f"{REPOSITORY}:mine"}}, {}, id="the image"),
        pytest.param({"runtime": {"maxTotalTokens": 4096}}, {}, id="a typed option"),
        pytest.param({"runtime": {"env": [{"name": "USAGE_STATS", "value": "off"}]}}, {}, id="a further option"),
        pytest.param({"runtime": {"numShard": 2}}, {}, id="the shards"),
        pytest.param({}, {"executionRoleARN": "arn:aws:iam::111122223333:role/other"}, id="the role"),
        pytest.param({}, {"instanceType": "ml.g6.12xlarge"}, id="the instance type"),
        pytest.param({}, {"volumeSizeInGB": 256}, id="the volume"),
        pytest.param({}, {"containerStartupHealthCheckTimeoutInSeconds": 600}, id="the time to start"),
        pytest.param({}, {"modelDataDownloadTimeoutInSeconds": 600}, id="the time to download"),
        pytest.param({}, {"vpcConfig": {"securityGroupIDs": ["sg-1"], "subnets": ["subnet-1"]}}, id="the network"),
        pytest.param({}, {"kmsKeyID": "alias/x"}, id="the key"),
        pytest.param({}, {"routingConfig": {"routingStrategy": "RANDOM"}}, id="the routing"),
        pytest.param({}, {"inferenceAMIVersion": "al2-ami-sagemaker-inference-gpu-2"}, id="the host image"),
    ],
)
def test_what_is_rendered_makes_another_revision(change: dict[str, Any], sage_maker: dict[str, Any]) -> None:
    assert desired(spec(change, **sage_maker)).revision != desired(spec()).revision


@pytest.mark.parametrize(
    ("change", "sage_maker"),
    [
        pytest.param({"replicas": 3}, {}, id="replicas are scaled and not rolled out"),
        pytest.param({"deletionPolicy": "Retain"}, {}, id="the deletion policy is the operator's own"),
        pytest.param({}, {"tags": [{"key": "team", "value": "ml"}]}, id="tags are put right in place"),
        pytest.param({"runtime": {"numShard": 4}}, {}, id="the number of shards that is the default"),
        pytest.param({"runtime": {"version": "3.3"}}, {}, id="the newest version by its minor"),
        pytest.param({}, {"enableNetworkIsolation": False}, id="no isolation, said aloud"),
        pytest.param({}, {"containerStartupHealthCheckTimeoutInSeconds": 900}, id="the time that is the default"),
    ],
)
def test_what_rolls_nothing_out(change: dict[str, Any], sage_maker: dict[str, Any]) -> None:
    assert desired(spec(change, **sage_maker)).revision == desired(spec()).revision


def test_weights_from_s3_are_mounted_and_not_downloaded_by_tgi() -> None:
    wanted = desired(spec({"model": {"uri": "s3://weights/falcon/2026/"}}, enableNetworkIsolation=True))
    container = wanted.model["PrimaryContainer"]
    assert container["ModelDataSource"] == {
        "S3DataSource": {"S3Uri": "s3://weights/falcon/2026/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    }
    assert container["Environment"]["HF_MODEL_ID"] == "/opt/ml/model"
    assert wanted.model["EnableNetworkIsolation"] is True


def test_model_of_the_hub_has_no_data_source_and_its_revision() -> None:
    wanted = desired(spec({"model": MINIMAL["model"] | {"revision": "refs/pr/3"}}))
    container = wanted.model["PrimaryContainer"]
    assert "ModelDataSource" not in container
    assert "EnableNetworkIsolation" not in wanted.model
    assert container["Environment"] == {
        "HF_MODEL_ID": "HuggingFaceH4/zephyr-7b-beta",
        "HF_MODEL_REVISION": "refs/pr/3",
        "SM_NUM_GPUS": "4",
    }


def test_network_key_volume_and_routing_go_where_aws_has_them() -> None:
    wanted = desired(
        spec(
            vpcConfig={"securityGroupIDs": ["sg-2", "sg-1"], "subnets": ["subnet-b", "subnet-a"]},
            kmsKeyID="alias/tgi",
            volumeSizeInGB=256,
            routingConfig={"routingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
        )
    )
    assert wanted.model["VpcConfig"] == {"SecurityGroupIds": ["sg-1", "sg-2"], "Subnets": ["subnet-a", "subnet-b"]}
    assert wanted.config["KmsKeyId"] == "alias/tgi"
    (only,) = wanted.config["ProductionVariants"]
    assert only["VolumeSizeInGB"] == 256
    assert only["RoutingConfig"] == {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}


@pytest.mark.parametrize(
    ("change", "sage_maker", "startup", "download"),
    [
        pytest.param({}, {}, 900, 900, id="a small model"),
        pytest.param({"model": {"uri": "hf://meta-llama/Llama-3.1-70B"}}, {}, 2400, 2400, id="a large model"),
        pytest.param({}, {"containerStartupHealthCheckTimeoutInSeconds": 60}, 60, 60, id="the start-up as it is asked"),
        pytest.param({}, {"modelDataDownloadTimeoutInSeconds": 3600}, 900, 3600, id="the download as it is asked"),
    ],
)
def test_time_to_start_and_to_download(
    change: dict[str, Any], sage_maker: dict[str, Any], startup: int, download: int
) -> None:
    described = spec(change, **sage_maker)
    only = variant(described)
    assert only["ContainerStartupHealthCheckTimeoutInSeconds"] == startup
    assert only["ModelDataDownloadTimeoutInSeconds"] == download
    assert desired(described).patience_seconds == 3600 + startup + download


@pytest.mark.parametrize(
    ("model", "instance_type", "num_shard", "gpus"),
    [
        pytest.param("HuggingFaceH4/zephyr-7b-beta", "ml.g5.12xlarge", None, "4", id="all GPUs"),
        pytest.param("HuggingFaceH4/zephyr-7b-beta", "ml.g5.2xlarge", None, "1", id="the only GPU"),
        pytest.param("HuggingFaceH4/zephyr-7b-beta", "ml.g5.12xlarge", 2, "2", id="as many as asked"),
        pytest.param("tiiuae/falcon-7b-instruct", "ml.g5.12xlarge", None, "1", id="as many as its heads allow"),
    ],
)
def test_number_of_gpus_is_always_told(model: str, instance_type: str, num_shard: int | None, gpus: str) -> None:
    """TGI 3.3.6 does not always count them correctly."""
    described = spec(
        {"model": {"uri": f"hf://{model}"}, "runtime": {"numShard": num_shard}}, instanceType=instance_type
    )
    assert environment(described)["SM_NUM_GPUS"] == gpus


@pytest.mark.parametrize(
    ("tag", "ami"),
    [
        pytest.param("2.0.1-tgi1.1.0-gpu-py39-cu118-ubuntu20.04", None, id="CUDA 11 has the driver of the default"),
        pytest.param("2.1.1-tgi1.2.0-gpu-py310-cu121-ubuntu20.04", "al2-ami-sagemaker-inference-gpu-3-1", id="12.1"),
        pytest.param("2.7.0-tgi3.3.6-gpu-py311-cu124-ubuntu22.04", "al2-ami-sagemaker-inference-gpu-3-1", id="12.4"),
        pytest.param("4.0.0-tgi4.0.0-gpu-py312-cu130-ubuntu24.04", "al2023-ami-sagemaker-inference-gpu-4-1", id="13.0"),
        pytest.param("mine", "al2-ami-sagemaker-inference-gpu-3-1", id="an image that does not tell is of CUDA 12"),
    ],
)
def test_host_image_has_the_driver_that_the_container_needs(tag: str, ami: str | None) -> None:
    assert variant(spec({"runtime": {"image": f"{REPOSITORY}:{tag}"}})).get("InferenceAmiVersion") == ami
    assert ami is None or ami in MODEL.shape_for("ProductionVariantInferenceAmiVersion").enum


def test_host_image_of_the_spec_wins() -> None:
    chosen = variant(spec(inferenceAMIVersion="al2-ami-sagemaker-inference-gpu-2"))
    assert chosen["InferenceAmiVersion"] == "al2-ami-sagemaker-inference-gpu-2"


@pytest.mark.parametrize(
    ("runtime", "running", "expected"),
    [
        pytest.param({}, None, NEWEST, id="the newest for a new endpoint"),
        pytest.param({}, f"{REPOSITORY}:old", f"{REPOSITORY}:old", id="the one that runs, whatever is new meanwhile"),
        pytest.param({"version": "3.3.6"}, f"{REPOSITORY}:old", NEWEST, id="the version named"),
        pytest.param({"image": "own/image:1"}, f"{REPOSITORY}:old", "own/image:1", id="the image named"),
    ],
)
def test_which_image(runtime: dict[str, Any], running: str | None, expected: str) -> None:
    wanted = desired(spec({"runtime": runtime}), image=running)
    assert wanted.image == expected
    assert wanted.model["PrimaryContainer"]["Image"] == expected


def test_tags_of_the_owner_cannot_be_overwritten() -> None:
    """The API server refuses such keys; a resource from before that rule must not be mistaken for another's."""
    tags = [{"key": "team", "value": "ml"}, {"key": "tgi-operator.dev/name", "value": "other"}]
    wanted = desired(spec(tags=tags))
    assert wanted.tags["team"] == "ml"
    assert wanted.tags["tgi-operator.dev/name"] == "zephyr-7b"


@pytest.mark.parametrize(("replicas", "retain"), [(None, True), (3, False)])
def test_update_keeps_the_number_of_instances_only_where_the_spec_names_none(
    replicas: int | None, *, retain: bool
) -> None:
    wanted = desired(spec({"replicas": replicas}))
    assert wanted.update_endpoint() == {
        "EndpointName": ENDPOINT,
        "EndpointConfigName": wanted.set_name,
        "RetainAllVariantProperties": retain,
    }


def test_scaling_is_one_request_for_the_one_variant() -> None:
    wanted = desired(spec(endpointName="chat"))
    assert wanted.scale(3) == {
        "EndpointName": "chat",
        "DesiredWeightsAndCapacities": [{"VariantName": "AllTraffic", "DesiredInstanceCount": 3}],
    }
    (only,) = wanted.create_endpoint_config(3)["ProductionVariants"]
    assert (only["VariantName"], only["InitialInstanceCount"]) == ("AllTraffic", 3)


@pytest.mark.parametrize("region", images.catalogue()["registries"])
def test_url_is_the_one_botocore_calls(region: str) -> None:
    client = SESSION.create_client(
        "sagemaker-runtime", region_name=region, aws_access_key_id="x", aws_secret_access_key="x"
    )
    assert places.Place(Scope("", region), "chat").url == f"{client.meta.endpoint_url}/endpoints/chat/invocations"


def test_place_is_the_name_of_the_spec_or_of_the_resource() -> None:
    unreadable = Resource(OWNER, 1, deleting=False, spec=None, status=Status(), fields=spec(renamedLater=True))
    assert places.generated(unreadable.key, unreadable.fields) == places.Place(Scope("", "us-east-1"), ENDPOINT)
    assert places.former(unreadable.key, unreadable.fields) == places.Place(Scope("", "us-east-1"), "ml-zephyr-7b")
    named = replace(unreadable, fields=spec(endpointName="chat"))
    assert places.generated(named.key, named.fields) == places.Place(Scope("", "us-east-1"), "chat")
    assert places.former(named.key, named.fields) is None


def test_example_passes_the_checks() -> None:
    example = Spec.model_validate(yaml.safe_load(EXAMPLE.read_text())["spec"])
    assert example.sage_maker is not None
    assert checks.first_problem(example, example.sage_maker) is None
