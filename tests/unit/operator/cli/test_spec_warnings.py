"""Warnings of `plan` and `kubectl tgi status` about specs that are accepted."""

import re
from typing import Any

import pytest

from tgi_operator.api.spec import Spec
from tgi_operator.cli.spec_warnings import ignored_nulls, spec_warnings
from unit.operator.incluster.given import spec

FALCON = {"model": {"uri": "hf://tiiuae/falcon-7b"}}
FRACTION = {"runtime": {"env": [{"name": "CUDA_MEMORY_FRACTION", "value": "0.5"}]}}


@pytest.mark.parametrize(
    ("described", "warnings"),
    [
        pytest.param(spec(), [], id="the smallest spec"),
        pytest.param(spec(FALCON, gpu={"count": 4}), ["TGI uses only 1 of the 4 allocated GPUs"], id="idle GPUs"),
        pytest.param(spec(FALCON, gpu={"count": 4}, omitDefaults=["GPURequest"]), [], id="no GPUs are allocated"),
        pytest.param(
            spec({"model": {"uri": "hf://org/own-13b"}}, gpu={"products": ["NVIDIA-A100-SXM4-40GB-MIG-3g.20gb"]}),
            ["but the GPU memory (1 x NVIDIA-A100-SXM4-40GB-MIG-3g.20gb) is 21 GB"],
            id="larger than a slice of a GPU that is large enough",
        ),
        pytest.param(
            spec(gpu={"products": ["NVIDIA-L4-SHARED"]}),
            ["NVIDIA-L4-SHARED: other pods can use the memory of the same GPU"],
            id="a shared GPU",
        ),
        pytest.param(
            spec(FRACTION, gpu={"products": ["NVIDIA-L4-SHARED"]}), [], id="a shared GPU with a part of the memory"
        ),
        pytest.param(spec(gpu={"resourceName": "nvidia.com/mig-3g.20gb"}), [], id="a slice has its own memory"),
    ],
)
def test_spec_warnings(described: dict[str, Any], warnings: list[str]) -> None:
    found = list(spec_warnings(Spec.model_validate(described)))
    assert len(found) == len(warnings)
    assert all(expected in warning for expected, warning in zip(warnings, found, strict=True))


def tgi(**fields: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "tgi", **fields}]}}


@pytest.mark.parametrize(
    ("template", "path", "advice"),
    [
        (tgi(livenessProbe=None), "spec.containers[tgi].livenessProbe", "omitDefaults to [LivenessProbe]"),
        (tgi(lifecycle=None), "spec.containers[tgi].lifecycle", "omitDefaults to [PreStopHook]"),
        (tgi(lifecycle={"preStop": None}), "spec.containers[tgi].lifecycle.preStop", "omitDefaults to [PreStopHook]"),
        (tgi(resources=None), "spec.containers[tgi].resources", "omitDefaults to [GPURequest]"),
        (
            tgi(resources={"limits": {"nvidia.com/gpu": None}}),
            "spec.containers[tgi].resources.limits.nvidia.com/gpu",
            "omitDefaults to [GPURequest]",
        ),
        (tgi(volumeMounts=None), "spec.containers[tgi].volumeMounts", "omitDefaults to [SharedMemory]"),
        (
            {"spec": {"volumes": [{"name": "shm", "emptyDir": None}]}},
            "spec.volumes[shm].emptyDir",
            "omitDefaults to [SharedMemory]",
        ),
        ({"spec": {"tolerations": None}}, "spec.tolerations", "spec.inCluster.tolerations to []"),
        (tgi(startupProbe=None), "spec.containers[tgi].startupProbe", "remove it, because podTemplate cannot remove"),
        (
            {"spec": {"containers": [{"name": "proxy", "livenessProbe": None}]}},
            "spec.containers[proxy].livenessProbe",
            "remove it, because podTemplate cannot remove",
        ),
        (
            tgi(volumeMounts=[{"mountPath": "/dev/shm", "name": None}]),  # noqa: S108 - the container's own
            "spec.containers[tgi].volumeMounts[/dev/shm].name",
            "omitDefaults to [SharedMemory]",
        ),
        ({"metadata": {"labels": {"a": None}}}, "metadata.labels.a", "remove it, because podTemplate cannot remove"),
    ],
)
def test_null_that_is_dropped(template: dict[str, Any], path: str, advice: str) -> None:
    (found,) = ignored_nulls({"spec": spec(podTemplate=template)})
    start = f"spec.inCluster.podTemplate.{path}: null has no effect, because kubectl apply and the API server drop it; "
    assert found.startswith(start)
    assert re.search(rf"(set |; ).*{re.escape(advice)}", found)


@pytest.mark.parametrize(
    "manifest",
    [
        None,
        [],
        "text",
        {},
        {"spec": None},
        {"spec": {"inCluster": None}},
        {"spec": {"sageMaker": {}}},
        {"spec": spec(podTemplate=None)},
        {"spec": spec(podTemplate=tgi(command=[]))},
        {"spec": spec(podTemplate={"spec": {"containers": [None]}})},
    ],
)
def test_nothing_is_dropped(manifest: object) -> None:
    assert list(ignored_nulls(manifest)) == []
