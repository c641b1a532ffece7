"""Reasons why an accepted spec is unlikely to work as its author expects."""

import re
from collections.abc import Iterator, Mapping

from tgi_operator.api.spec import Spec
from tgi_operator.engines.tgi import fit, launcher_options, spelling
from tgi_operator.engines.tgi.launch_checks import Launch
from tgi_operator.hardware.gpus import pod_gpus, shared_gpu
from tgi_operator.hardware.instances import Instance, instance

_POD_TEMPLATE = ("spec", "inCluster", "podTemplate")
_TGI = r"spec\.containers\[tgi\]"
_INSTEAD: Mapping[str, str] = {
    rf"{_TGI}\.livenessProbe": "spec.inCluster.omitDefaults to [LivenessProbe]",
    rf"{_TGI}\.lifecycle(\.preStop)?": "spec.inCluster.omitDefaults to [PreStopHook]",
    rf"{_TGI}\.resources(\..+)?": "spec.inCluster.omitDefaults to [GPURequest]",
    rf"{_TGI}\.volumeMounts(\[/dev/shm\]\..+)?|spec\.volumes(\[shm\]\..+)?": (
        "spec.inCluster.omitDefaults to [SharedMemory]"
    ),
    r"spec\.tolerations": "spec.inCluster.tolerations to []",
}
"""By field of `podTemplate`: what to set instead of null to remove the part of the pod."""

_IDENTITIES = ("name", "mountPath", "key", "topologyKey")
"""Fields that identify an item of a list in messages."""


def spec_warnings(spec: Spec) -> Iterator[str]:
    """Yield the warnings that follow from the spec. Raises ValueError if the spec does not pass the checks."""
    launch = Launch(spec.model, spec.runtime, launcher_options.options(spec.runtime, None), machine(spec))
    larger, idle = fit.too_large(launch), fit.idle_gpus(launch)
    if larger is not None:
        yield larger
    if idle is not None and (spec.in_cluster is None or spec.in_cluster.requested_gpus):
        yield idle
    shared = shared_gpu(spec.in_cluster) if spec.in_cluster is not None else None
    if shared is not None and "CUDA_MEMORY_FRACTION" not in launch.environment:
        yield (
            f"{shared}: other pods can use the memory of the same GPU, so it is not known whether the model fits; set "
            "CUDA_MEMORY_FRACTION in spec.runtime.env to the part of the memory that this pod can use"
        )
    yield from spelling.misspelled(spec.runtime)


def machine(spec: Spec) -> Instance:
    """Return the GPUs of an instance or a pod. Raises ValueError if TGI does not run on them."""
    if spec.in_cluster is not None:
        return pod_gpus(spec.in_cluster)
    assert spec.sage_maker is not None  # noqa: S101 - exactly one backend is admitted
    return instance(spec.sage_maker.instance_type)


def ignored_nulls(manifest: object) -> Iterator[str]:
    """Yield a warning for each null in `podTemplate` of a manifest as its author wrote it."""
    template = manifest
    for name in _POD_TEMPLATE:
        template = template.get(name) if isinstance(template, Mapping) else None
    for path in _nulls(template, ""):
        instead = next((field for pattern, field in _INSTEAD.items() if re.fullmatch(pattern, path)), None)
        advice = f"set {instead}" if instead is not None else "remove it, because podTemplate cannot remove this field"
        yield (
            f"{'.'.join(_POD_TEMPLATE)}.{path}: null has no effect, because kubectl apply and the API server drop it; "
            f"{advice}"
        )


def _nulls(value: object, path: str) -> Iterator[str]:
    """Yield the paths of the fields that are null."""
    if isinstance(value, Mapping):
        for name, child in value.items():
            where = f"{path}.{name}" if path else str(name)
            if child is None:
                yield where
            else:
                yield from _nulls(child, where)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _nulls(item, f"{path}[{_identity(item, index)}]")


def _identity(item: object, index: int) -> object:
    fields = item if isinstance(item, Mapping) else {}
    return next((fields[name] for name in _IDENTITIES if fields.get(name) is not None), index)
