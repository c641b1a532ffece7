"""Whether the end of an old pod frees what a ResourceQuota refuses."""

from typing import Any

import pytest

from tgi_operator.backends.incluster.seen.quota import is_exceeded, is_freed

OLD: dict[str, Any] = {
    "containers": [
        {
            "name": "tgi",
            "resources": {
                "requests": {"nvidia.com/gpu": "1", "memory": "8Gi", "cpu": "2"},
                "limits": {"nvidia.com/gpu": "1", "memory": "16Gi"},
            },
        }
    ]
}


def refusal(requested: str, used: str, limited: str) -> str:
    """Return the message of the API server for a pod beyond a quota."""
    return (
        'pods "zephyr-7b-5d5f" is forbidden: exceeded quota: gpus, '
        f"requested: {requested}, used: {used}, limited: {limited}"
    )


GPU = "requests.nvidia.com/gpu"


@pytest.mark.parametrize(
    ("message", "old", "freed"),
    [
        pytest.param(refusal(f"{GPU}=1", f"{GPU}=1", f"{GPU}=1"), [OLD], True, id="an old pod has the GPU"),
        pytest.param(refusal(f"{GPU}=2", f"{GPU}=1", f"{GPU}=1"), [OLD], False, id="more GPUs than the old pod has"),
        pytest.param(refusal(f"{GPU}=1", f"{GPU}=1", f"{GPU}=1"), [], False, id="there is no old pod"),
        pytest.param(refusal(f"{GPU}=1", f"{GPU}=1", f"{GPU}=1"), [OLD, {}], False, id="an old pod without a GPU"),
        pytest.param(refusal("pods=1", "pods=3", "pods=3"), [OLD], True, id="pods"),
        pytest.param(
            refusal("count/pods=1", "count/pods=3", "count/pods=3"), [OLD], True, id="pods, by the other name"
        ),
        pytest.param(refusal("memory=8Gi", "memory=8Gi", "memory=8Gi"), [OLD], True, id="memory, by its short name"),
        pytest.param(
            refusal("limits.memory=16Gi", "limits.memory=16Gi", "limits.memory=20Gi"), [OLD], True, id="limits"
        ),
        pytest.param(refusal("limits.cpu=1", "limits.cpu=4", "limits.cpu=4"), [OLD], False, id="a limit it has not"),
        pytest.param(
            refusal(f"cpu=2,{GPU}=1", f"cpu=2500m,{GPU}=1", f"cpu=4,{GPU}=1"), [OLD], True, id="two resources"
        ),
        pytest.param(refusal(f"cpu=5,{GPU}=1", f"cpu=3,{GPU}=1", f"cpu=4,{GPU}=1"), [OLD], False, id="one of two"),
        pytest.param("admission webhook denied the request", [OLD], False, id="no quota"),
        pytest.param(None, [OLD], False, id="no refusal"),
    ],
)
def test_what_the_end_of_an_old_pod_frees(message: str | None, old: list[dict[str, Any]], freed: bool) -> None:
    assert is_freed(message, old) is freed
    assert is_exceeded(message) is (message is not None and "quota" in message)
