"""Attacks of a tenant by podTemplate: every field that reaches beyond the pod is refused, and named."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.incluster.desired import restrictions
from tgi_operator.backends.incluster.kinds import Object
from unit.operator.incluster.given import CACHED, desired, spec


def overlaid(pod: Any, **metadata: Any) -> Object:
    """Return the rendered pod template with a podTemplate over it."""
    return desired(spec(podTemplate={"metadata": metadata, "spec": pod})).template


def tgi(**fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "tgi", **fields}]}


def sidecar(**fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "proxy", "image": "envoy", **fields}]}


def first(**fields: Any) -> dict[str, Any]:
    return {"initContainers": [{"name": "first", "image": "busybox", **fields}]}


def secured(**context: Any) -> dict[str, Any]:
    return {"securityContext": context}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "the node's files": ({"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}, "spec.volumes[root].hostPath"),
    "the files of /dev/shm's volume": (
        {"volumes": [{"name": "shm", "hostPath": {"path": "/"}}]},
        "spec.volumes[shm].hostPath",
    ),
    "a server's files": ({"volumes": [{"name": "n", "nfs": {"server": "s", "path": "/"}}]}, "spec.volumes[n].nfs"),
    "no seccomp": (secured(seccompProfile={"type": "Unconfined"}), "spec.securityContext.seccompProfile"),
    "another SELinux type": (secured(seLinuxOptions={"type": "spc_t"}), "spec.securityContext.seLinuxOptions"),
    "another SELinux user": (tgi(**secured(seLinuxOptions={"user": "u"})), "containers[tgi].securityContext.seLinux"),
    "TGI privileged": (tgi(**secured(privileged=True)), "containers[tgi].securityContext.privileged"),
    "a sidecar privileged": (sidecar(**secured(privileged=True)), "containers[proxy].securityContext.privileged"),
    "an init container privileged": (first(**secured(privileged=True)), "initContainers[first].securityContext"),
    "escalation of TGI": (tgi(**secured(allowPrivilegeEscalation=True)), "allowPrivilegeEscalation"),
    "escalation of a sidecar": (sidecar(**secured(allowPrivilegeEscalation=True)), "containers[proxy]"),
    "a capability": (tgi(**secured(capabilities={"add": ["SYS_ADMIN"]})), "capabilities.add"),
    "capabilities kept": (tgi(**secured(capabilities={"drop": []})), "capabilities.drop"),
    "a capability of a sidecar": (sidecar(**secured(capabilities={"add": ["NET_RAW"]})), "containers[proxy]"),
    "no AppArmor": (sidecar(**secured(appArmorProfile={"type": "Unconfined"})), "appArmorProfile"),
}

ALLOWED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "another user": tgi(**secured(runAsUser=1000, runAsNonRoot=True)),
    "less": tgi(**secured(readOnlyRootFilesystem=True, seccompProfile={"type": "Localhost"})),
    "a sidecar": sidecar(ports=[{"containerPort": 15001}], **secured(capabilities={"drop": ["ALL"]})),
    "an init container": first(command=["true"]),
    "volumes": {
        "volumes": [
            {"name": "a", "emptyDir": {}},
            {"name": "b", "configMap": {"name": "c"}},
            {"name": "d", "csi": {"driver": "secrets-store.csi.k8s.io"}},
            {"name": "e", "persistentVolumeClaim": {"claimName": "data"}},
        ]
    },
    "scheduling": {"affinity": {}, "priorityClassName": "high"},
    "a probe": tgi(livenessProbe={"httpGet": {"path": "/health", "port": "http"}}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_reaches_beyond_the_pod_is_refused_and_named(name: str) -> None:
    pod, field = REFUSED[name]
    problem = restrictions.problem(overlaid(pod))
    assert problem is not None
    assert problem.reason is Reason.POD_NOT_RESTRICTED
    assert problem.message.startswith("spec.inCluster.podTemplate.")
    assert field in problem.message
    assert "remove the field" in problem.message


def test_an_annotation_that_turns_apparmor_off_is_refused() -> None:
    key = "container.apparmor.security.beta.kubernetes.io/tgi"
    assert restrictions.problem(overlaid({}, annotations={key: "runtime/default"})) is None
    problem = restrictions.problem(overlaid({}, annotations={key: "unconfined"}))
    assert problem is not None
    assert key in problem.message


@pytest.mark.parametrize("name", ALLOWED)
def test_what_stays_within_the_pod_is_allowed(name: str) -> None:
    assert restrictions.problem(overlaid(ALLOWED[name])) is None


@pytest.mark.parametrize("described", [spec(), spec(**CACHED)], ids=["hub", "cache"])
def test_what_the_operator_makes_itself_is_allowed(described: Any) -> None:
    made = desired(described)
    assert restrictions.problem(made.template) is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
FIELDS = st.sampled_from(["securityContext", "volumes", "containers", "initContainers", "imagePullSecrets"])


@given(st.dictionaries(FIELDS, ANYTHING))
def test_a_template_of_any_shape_is_no_error_of_the_operator(pod: dict[str, Any]) -> None:
    restrictions.problem({"metadata": {}, "spec": pod})
    restrictions.problem({"metadata": pod, "spec": None})
