"""Errors that cost nothing because they are found first: each check with a spec that fails it and a near miss."""

from typing import Any

import pytest

from tgi_operator.api.problem import Problem
from tgi_operator.api.reasons import Reason
from tgi_operator.api.spec import Spec
from tgi_operator.backends.incluster.desired import checks
from tgi_operator.engines.tgi import images
from unit.operator.incluster.given import CACHED, spec


def first_problem(described: dict[str, Any]) -> Problem | None:
    read = Spec.model_validate(described)
    assert read.in_cluster is not None
    return checks.first_problem(read, read.in_cluster)


def runtime(**fields: Any) -> dict[str, Any]:
    return spec({"runtime": fields})


def variable(name: str, value: str = "x") -> dict[str, Any]:
    return runtime(env=[{"name": name, "value": value}])


@pytest.mark.parametrize(
    ("described", "reason", "message"),
    [
        pytest.param(
            runtime(version="9.9.9"),
            Reason.UNKNOWN_VERSION,
            "TGI 9.9.9 is not a known release; use 3.3.7",
            id="no release",
        ),
        pytest.param(
            spec(gpu={"products": ["Tesla-V100-SXM2-16GB"]}),
            Reason.UNSUPPORTED_GPU,
            "spec.inCluster.gpu.products: Tesla-V100-SXM2-16GB cannot run TGI",
            id="a GPU that is too old",
        ),
        pytest.param(
            spec(gpu={"products": ["NVIDIA-L4", "NVIDIA-B200"]}),
            Reason.UNSUPPORTED_GPU,
            "NVIDIA-B200 cannot run TGI",
            id="one of two GPUs that is too new",
        ),
        pytest.param(
            variable("LORA_ADAPTERS", "x=/x,a/b") | {"model": {"uri": "pvc://models/zephyr"}},
            Reason.INVALID_SPEC,
            "LORA_ADAPTERS: 'a/b' is on the Hugging Face Hub, to which these pods do not connect; put the adapter in a "
            "folder under spec.model.uri and use NAME=/models/zephyr/FOLDER",
            id="an adapter on the Hub beside weights on a claim",
        ),
        pytest.param(
            variable("LORA_ADAPTERS", "a/b")
            | {"model": {"uri": "s3://weights/z/"}, "inCluster": {"cache": {"size": "1Gi"}}},
            Reason.INVALID_SPEC,
            "use NAME=/data/s3/weights/z/FOLDER",
            id="an adapter on the Hub beside weights from S3",
        ),
        *(
            pytest.param(variable(name), Reason.CONFLICTING_OPTIONS, f"{name} is set by the operator", id=name)
            for name in ("HF_HOME", "HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HOSTNAME")
        ),
        *(
            pytest.param(variable(name), Reason.CONFLICTING_OPTIONS, f"spec.runtime.env: {name}", id=name)
            for name in ("MODEL_ID", "NUM_SHARD", "HF_TOKEN", "PORT", "CUDA_VISIBLE_DEVICES")
        ),
        *(
            pytest.param(
                spec(resources={field: {"nvidia.com/gpu": 1}}),
                Reason.INVALID_SPEC,
                f"spec.inCluster.resources.{field}: must not contain nvidia.com/gpu; set spec.inCluster.gpu.count",
                id=f"GPUs among the {field}",
            )
            for field in ("requests", "limits")
        ),
        pytest.param(
            spec(gpu={"resourceName": "amd.com/gpu"}, resources={"limits": {"amd.com/gpu": "1"}}),
            Reason.INVALID_SPEC,
            "must not contain amd.com/gpu",
            id="GPUs of another maker",
        ),
        *(
            pytest.param(
                spec(gpu={"resourceName": name}),
                Reason.UNSUPPORTED_GPU,
                f"spec.inCluster.gpu.resourceName: the operator has no TGI image for {name}, only for "
                "nvidia.com and amd.com GPUs; set spec.runtime.image",
                id=name,
            )
            for name in ("gpu.intel.com/xe", "habana.ai/gaudi", "aws.amazon.com/neuron")
        ),
        pytest.param(
            spec({"runtime": {"version": "1.1.0"}}, gpu={"resourceName": "amd.com/gpu"}),
            Reason.UNKNOWN_VERSION,
            "TGI 1.1.0 is not a known release for amd.com GPUs (a tag with -rocm); use 3.3.7",
            id="a release without an image for AMD's GPUs",
        ),
        pytest.param(
            spec(gpu={"resourceName": "amd.com/gpu", "products": ["NVIDIA-L4"]}),
            Reason.UNSUPPORTED_GPU,
            "spec.inCluster.gpu.products: NVIDIA-L4: nodes with amd.com/gpu do not have the nvidia.com/gpu.product",
            id="products of another maker",
        ),
        pytest.param(
            spec({"runtime": {"quantize": "awq"}}, gpu={"resourceName": "amd.com/gpu"}),
            Reason.CONFLICTING_OPTIONS,
            "spec.runtime.quantize: TGI does not load awq weights on AMD GPUs",
            id="AWQ on AMD's GPUs",
        ),
        *(
            pytest.param(
                spec(gpu={"count": 2, **gpu}, nodeSelector=labels),
                Reason.INVALID_SPEC,
                f"spec.inCluster.gpu.count: must be 1, not 2, because TGI can use only one part of a GPU ({part})",
                id=f"two of {part}",
            )
            for gpu, labels, part in (
                ({"resourceName": "nvidia.com/mig-3g.20gb"}, {}, "nvidia.com/mig-3g.20gb"),
                ({"resourceName": "nvidia.com/gpu.shared"}, {}, "nvidia.com/gpu.shared"),
                ({"products": ["NVIDIA-L4", "NVIDIA-L4-SHARED"]}, {}, "NVIDIA-L4-SHARED"),
                ({"products": ["NVIDIA-H100-80GB-HBM3-MIG-1g.10gb"]}, {}, "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb"),
                (
                    {},
                    {"cloud.google.com/gke-gpu-partition-size": "1g.5gb"},
                    "cloud.google.com/gke-gpu-partition-size: 1g.5gb",
                ),
                (
                    {},
                    {"cloud.google.com/gke-gpu-sharing-strategy": "mps"},
                    "cloud.google.com/gke-gpu-sharing-strategy: mps",
                ),
            )
        ),
        pytest.param(
            spec({"runtime": {"numShard": 2}}, gpu={"resourceName": "nvidia.com/mig-3g.20gb"}),
            Reason.INVALID_NUM_SHARD,
            "numShard is 2, but the number of GPUs is 1; use at most 1, or request whole GPUs in spec.inCluster.gpu, "
            "because TGI can use only one part of a GPU (nvidia.com/mig-3g.20gb)",
            id="two shards on a slice",
        ),
        *(
            pytest.param(
                spec(service={"annotations": {"example.com/team": "ml", key: "x"}}),
                Reason.INVALID_SPEC,
                f"spec.inCluster.service.annotations: {key} {wrong}",
                id=f"the annotation {key[:40]!r}",
            )
            for key, wrong in {
                "tgi-operator.dev/applied": "is set by the operator; remove it",
                "a b": "is not a valid key; use a key such as",
                "": "is not a valid key",
                "a/b/c": "is not a valid key",
                "Example.com/a": "is not a valid key",
                "a" * 64: "is not a valid key",
                f"{'a' * 254}/b": "is not a valid key",
            }.items()
        ),
        pytest.param(
            spec({"runtime": {"numShard": 4}}, gpu={"count": 2}),
            Reason.INVALID_NUM_SHARD,
            "numShard is 4, but the number of GPUs is 2; use at most 2, or raise spec.inCluster.gpu.count",
            id="more shards than GPUs",
        ),
        pytest.param(
            spec({"runtime": {"dtype": "bfloat16"}}, gpu={"products": ["NVIDIA-L4", "Tesla-T4"]}),
            Reason.CONFLICTING_OPTIONS,
            "needs compute capability 8.0 or higher, but the Tesla-T4 has 7.5; use a newer GPU in "
            "spec.inCluster.gpu.products",
            id="a type that the older of two GPUs does not have",
        ),
        pytest.param(
            variable("MAX_BATCH_SIZE", "many"), Reason.CONFLICTING_OPTIONS, "must be a whole number", id="no number"
        ),
    ],
)
def test_what_cannot_work_is_refused(described: dict[str, Any], reason: Reason, message: str) -> None:
    problem = first_problem(described)
    assert problem is not None
    assert problem.reason is reason
    assert message in problem.message
    assert problem.message.startswith("spec.")


@pytest.mark.parametrize(
    "described",
    [
        pytest.param(spec(), id="the smallest spec"),
        pytest.param(runtime(version="3.3"), id="a minor version"),
        pytest.param(runtime(image="registry.local/tgi:mine"), id="an image of one's own"),
        pytest.param(spec(gpu={"products": ["NVIDIA-L4"], "count": 16}), id="many GPUs"),
        pytest.param(spec(gpu={"products": ["NVIDIA-GeForce-RTX-4090"]}), id="a GPU that nobody knows"),
        pytest.param(spec(gpu={"products": ["Tesla-T4"]}), id="an old GPU"),
        pytest.param(spec(gpu={"resourceName": "nvidia.com/mig-3g.20gb"}), id="a slice"),
        pytest.param(spec(gpu={"products": ["NVIDIA-L4-SHARED"]}), id="a shared GPU"),
        pytest.param(spec(gpu={"resourceName": "amd.com/gpu", "count": 8}), id="GPUs of AMD"),
        pytest.param(
            spec({"runtime": {"version": "1.2"}}, gpu={"resourceName": "amd.com/gpu"}), id="AMD's first release"
        ),
        pytest.param(
            spec({"runtime": {"quantize": "gptq"}}, gpu={"resourceName": "amd.com/gpu"}), id="GPTQ on AMD's GPUs"
        ),
        pytest.param(spec({"runtime": {"quantize": "awq"}}), id="AWQ on NVIDIA's GPUs"),
        pytest.param(
            spec({"runtime": {"image": "registry.local/tgi:gaudi"}}, gpu={"resourceName": "habana.ai/gaudi"}),
            id="an own image for another maker",
        ),
        pytest.param(
            spec(
                gpu={"resourceName": "habana.ai/gaudi"},
                podTemplate={"spec": {"containers": [{"name": "tgi", "image": "registry.local/tgi:gaudi"}]}},
            ),
            id="an own image in podTemplate for another maker",
        ),
        pytest.param(
            spec(gpu={"resourceName": "gpu.intel.com/xe"}, omitDefaults=["GPURequest"]), id="no GPU is requested"
        ),
        pytest.param(variable("API_KEY"), id="a key, which the cluster passes on"),
        pytest.param(variable("HF_HUB_DOWNLOAD_TIMEOUT", "60"), id="a variable named alike"),
        pytest.param(spec(resources={"limits": {"cpu": "4", "amd.com/gpu": 1}}), id="other resources"),
        pytest.param(spec({"runtime": {"numShard": 2}}, gpu={"count": 2}), id="a shard for each GPU"),
        pytest.param(spec({"model": {"uri": "pvc://models/x"}}), id="a claim with weights"),
        pytest.param(spec({"model": {"uri": "s3://weights/x/"}}, **CACHED), id="S3"),
    ],
)
def test_near_miss_passes(described: dict[str, Any]) -> None:
    assert first_problem(described) is None


@pytest.mark.parametrize("version", images.releases()["versions"])
def test_every_release_passes(version: str) -> None:
    assert first_problem(runtime(version=version)) is None


def test_problem_of_the_version_is_told_before_those_that_need_one() -> None:
    problem = first_problem(spec({"runtime": {"version": "9.9", "numShard": 64}}))
    assert problem is not None
    assert problem.reason is Reason.UNKNOWN_VERSION
