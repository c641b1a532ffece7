"""The fields that `kubectl get` shows in 100 columns: parts of the status that follow from other fields and the spec.

They change only together with the fields that they follow from, so they need no additional write.
"""

from tgi_operator.api import conditions
from tgi_operator.api.spec import Spec
from tgi_operator.api.status import LONGEST_HARDWARE, LONGEST_MODEL, ConditionStatus, ConditionType, Status

ACT = "act"
"""A user must change something."""

WAIT = "wait"
"""The operator, AWS or Kubernetes continues automatically."""


def with_summary(status: Status, spec: Spec | None) -> Status:
    """Return `status` with its summary. Without a readable spec, model and hardware stay the same."""
    changes: dict[str, str] = {"summary": _summary(status)}
    if spec is not None:
        changes |= {"model": _cut(_model(spec), LONGEST_MODEL), "hardware": _cut(_hardware(spec), LONGEST_HARDWARE)}
    return status.model_copy(update=changes)


def _summary(status: Status) -> str:
    """Return ready and desired replicas and at most one word: `1/1`, `0/1 act`, `1/2 wait`."""
    known = status.desired_replicas is not None
    replicas = f"{status.ready_replicas or 0}/{status.desired_replicas}" if known else ""
    return f"{replicas} {_word(status)}".strip()


def _word(status: Status) -> str:
    if conditions.is_true(status.conditions, ConditionType.STALLED):
        return ACT
    ready = conditions.get(status.conditions, ConditionType.READY)
    return "" if ready is not None and ready.status == ConditionStatus.TRUE else WAIT


def _model(spec: Spec) -> str:
    """Return the last part of the URI: the name on the Hub, or the folder, bucket or PVC."""
    return spec.model.uri.rstrip("/").rpartition("/")[2]


def _hardware(spec: Spec) -> str:
    """Return the instance type without `ml.`, or the GPUs of a pod: `g5.12xlarge`, `2 L4`, `1 GPU`."""
    if spec.sage_maker is not None:
        return spec.sage_maker.instance_type.removeprefix("ml.")
    if spec.in_cluster is None:
        return ""
    gpu = spec.in_cluster.gpu
    kinds = ",".join(product.removeprefix("NVIDIA-") for product in gpu.products)
    return f"{gpu.count} {kinds or ('GPU' if gpu.count == 1 else 'GPUs')}"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
