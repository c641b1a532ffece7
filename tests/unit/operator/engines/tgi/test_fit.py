"""Models that are larger than the GPUs, judged by their names, and GPUs that a model does not use."""

from typing import Any

import pytest

from tgi_operator.api.spec import Model, Runtime
from tgi_operator.engines.tgi import fit, launcher_options
from tgi_operator.engines.tgi.launch_checks import Launch
from tgi_operator.hardware.gpus import gpus
from tgi_operator.hardware.instances import Instance, instance

ONE_A10G = instance("ml.g5.2xlarge")
FOUR_A10G = instance("ml.g5.12xlarge")


def launch(uri: str, machine: Instance, **runtime: Any) -> Launch:
    asked = Runtime.model_validate(runtime)
    return Launch(Model(uri=uri), asked, launcher_options.options(asked, None), machine)


@pytest.mark.parametrize(
    ("uri", "machine", "runtime"),
    [
        ("hf://tiiuae/falcon-40b", ONE_A10G, {}),
        ("hf://meta-llama/Llama-3.1-70B", FOUR_A10G, {}),
        ("hf://org/own-30b", FOUR_A10G, {"numShard": 2}),
        ("s3://weights/70B/2026/", ONE_A10G, {}),
        ("hf://org/own-13b", gpus(["NVIDIA-L4"], 1), {}),
    ],
)
def test_larger(uri: str, machine: Instance, runtime: dict[str, Any]) -> None:
    assert f"the weights of {uri} need about" in str(fit.too_large(launch(uri, machine, **runtime)))


@pytest.mark.parametrize(
    ("uri", "machine", "runtime"),
    [
        pytest.param("hf://tiiuae/falcon-40b", FOUR_A10G, {}, id="it fits"),
        pytest.param("hf://org/own", ONE_A10G, {}, id="no size in the name"),
        pytest.param("hf://tiiuae/falcon-40b", ONE_A10G, {"quantize": "awq"}, id="quantized"),
        pytest.param("hf://org/own-40b", ONE_A10G, {"env": [{"name": "QUANTIZE", "value": "awq"}]}, id="by variable"),
        pytest.param("hf://TheBloke/Llama-2-70B-GPTQ", ONE_A10G, {}, id="quantized by name"),
        pytest.param("hf://mistralai/Mixtral-8x7B-v0.1", ONE_A10G, {}, id="experts share layers"),
        pytest.param("hf://tiiuae/falcon-40b", gpus([], 1), {}, id="any GPU"),
    ],
)
def test_not_known_to_be_larger(uri: str, machine: Instance, runtime: dict[str, Any]) -> None:
    assert fit.too_large(launch(uri, machine, **runtime)) is None


@pytest.mark.parametrize(
    ("uri", "machine", "runtime", "expected"),
    [
        pytest.param(
            "hf://tiiuae/falcon-7b",
            gpus([], 4),
            {},
            "TGI uses only 1 of the 4 allocated GPUs, because the attention heads of tiiuae/falcon-7b cannot be split "
            "evenly across more GPUs; lower spec.inCluster.gpu.count",
            id="71 heads on 4 GPUs of a pod",
        ),
        pytest.param(
            "hf://tiiuae/falcon-7b",
            FOUR_A10G,
            {},
            "TGI uses only 1 of the 4 allocated GPUs, because the attention heads of tiiuae/falcon-7b cannot be split "
            "evenly across more GPUs; use a smaller spec.sageMaker.instanceType",
            id="on 4 GPUs of an instance",
        ),
        pytest.param(
            "s3://weights/own/",
            gpus([], 4),
            {"numShard": 2},
            "TGI uses only 2 of the 4 allocated GPUs, because spec.runtime.numShard is 2; raise it, or lower "
            "spec.inCluster.gpu.count",
            id="fewer shards",
        ),
        pytest.param("hf://tiiuae/falcon-40b", FOUR_A10G, {}, None, id="128 heads"),
        pytest.param("hf://tiiuae/falcon-7b", ONE_A10G, {}, None, id="one GPU"),
        pytest.param("hf://org/own", gpus([], 4), {"numShard": 4}, None, id="a shard for each GPU"),
    ],
)
def test_idle_gpus(uri: str, machine: Instance, runtime: dict[str, Any], expected: str | None) -> None:
    assert fit.idle_gpus(launch(uri, machine, **runtime)) == expected
