"""For any variation of the specs in these tests, `plan` refuses it if and only if the API server does."""

import copy
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.crd import test_autoscaling_admission as autoscaling
from integration.crd import test_crd_admission as sagemaker
from integration.crd import test_in_cluster_admission as incluster
from tgi_operator.schema.admission import NotAdmittedError, admitted
from tgi_sandbox.cluster import ControlPlane
from tgi_sandbox.cluster.api import ApiError

Spec = dict[str, Any]

_TABLES = (sagemaker, incluster, autoscaling)
_ACCEPTED: list[Spec] = [case.values[0] for table in _TABLES for case in table.ACCEPTED]
_REFUSED: list[Spec] = [
    case.values[0] if hasattr(case, "values") else case[0] for table in _TABLES for case in table.REFUSED
]
_SPECS = st.sampled_from(_ACCEPTED) | st.sampled_from(_ACCEPTED) | st.sampled_from(_REFUSED)
_NAMES = st.sampled_from(["falcon"] * 20 + ["falcon.7b", "0falcon", "a" * 64, "Falcon", "falcon_7b", "a..b", ""])
_VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [0, 1, -1, 5, 2.5, True, None, "", "1", "x", "50%", "é", "a b", "hf://a/b", [], {}, ["x"]]
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deep for name, child in children for deep in _paths(child, (*path, name)))]


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """Return a spec of the tests with fields of another, and some of its values changed or removed."""
    made, other = copy.deepcopy(draw(_SPECS)), copy.deepcopy(draw(_SPECS))
    made |= {name: other[name] for name in draw(st.sets(st.sampled_from(sorted(other)), max_size=1))}
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        path = draw(st.sampled_from(_paths(made)[1:] or [("model",)]))
        holder: Any = made
        for name in path[:-1]:
            holder = holder[name]
        if draw(st.booleans()):
            holder[path[-1]] = copy.deepcopy(draw(_VALUES))
        elif path[-1] in holder or isinstance(holder, list):
            del holder[path[-1]]
    return made


def test_plan_and_the_api_server_agree(control_plane: ControlPlane, namespace: str) -> None:
    path = f"/apis/tgi-operator.dev/v1alpha1/namespaces/{namespace}/tgiendpoints?dryRun=All&fieldValidation=Strict"

    @settings(max_examples=600, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(specs(), _NAMES)
    def agree(spec: Spec, name: str) -> None:
        body = {"apiVersion": "tgi-operator.dev/v1alpha1", "kind": "TGIEndpoint", "metadata": {"name": name}}
        manifest = body | {"spec": spec}
        try:
            admitted(manifest)
            here = None
        except NotAdmittedError as error:
            here = error.problems
        try:
            control_plane.api.request("POST", path, manifest)
            there = None
        except ApiError as error:
            there = json.loads(str(error))["message"]
        assert (here is None) == (there is None), f"here: {here}; the API server: {there}"

    agree()
