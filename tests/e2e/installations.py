"""The installations of the operator: with which backends, and in which namespaces.

Each story declares the installation that it needs, and `make test` runs it there. `--installation` runs all stories
that an installation supports: `make test-installations` does so for each of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from unit.chart.rendering import Object, container, kinds, rendered

Name = Literal["all", "sageMaker", "pods", "namespaced"]

HOME = "tgi-system"
"""The operator's own namespace."""

PERMISSIONS = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")

VARIABLE = "TGI_OPERATOR_"
VARIABLES = frozenset(f"{VARIABLE}{name}" for name in ("BACKENDS", "WATCH_NAMESPACES", "SERVING_PODS_FROM"))
"""The chart values that decide which permissions the operator needs."""

ACCESS: Mapping[str, Any] = {"networkPolicy": {"servingPodsFrom": ["monitoring"]}}


@dataclass(frozen=True)
class Installation:
    """An installation of the chart; a cluster has several, and one operator runs at a time."""

    name: Name
    release: str
    values: Mapping[str, Any]
    stories: frozenset[Name]
    """The declarations of stories that can run here."""
    uses_aws: bool = True
    is_namespaced: bool = False

    @property
    def user(self) -> str:
        """The user name of the operator for the API server."""
        return f"system:serviceaccount:{HOME}:{self.release}"

    def permissions(self, namespace: str) -> list[Object]:
        """Return the service account and the roles of an operator that watches one namespace or all of them."""
        return [each for each in self._rendered(namespace) if each["kind"] in PERMISSIONS]

    def roles(self) -> list[Object]:
        """Return the roles of the operator itself."""
        items = self._rendered("watched")
        return [
            each
            for kind in ("ClusterRole", "Role")
            for each in kinds(items, kind)
            if not any(label.startswith("rbac.authorization.k8s.io/") for label in each["metadata"]["labels"])
        ]

    def settings(self, namespace: str) -> dict[str, str]:
        """Return the settings that decide the operator's permissions, by their names in lowercase."""
        variables = {each["name"]: each.get("value", "") for each in container(self._rendered(namespace))["env"]}
        return {name.removeprefix(VARIABLE).lower(): value for name, value in variables.items() if name in VARIABLES}

    def _rendered(self, namespace: str) -> list[Object]:
        watched = {"watchNamespaces": [namespace]} if self.is_namespaced else {}
        return rendered({**self.values, **watched}, self.release)


ALL = Installation("all", "tgi-operator", ACCESS, frozenset({"all", "sageMaker", "pods"}))
INSTALLATIONS: Mapping[Name, Installation] = {
    each.name: each
    for each in (
        ALL,
        Installation("sageMaker", "tgi-operator-sagemaker", {"backends": ["sageMaker"]}, frozenset({"sageMaker"})),
        Installation(
            "pods",
            "tgi-operator-pods",
            {"backends": ["inCluster"], **ACCESS},
            frozenset({"pods"}),
            uses_aws=False,
        ),
        Installation(
            "namespaced",
            "tgi-operator-namespaced",
            {"rbac": {"freeGPUs": True}, **ACCESS},
            frozenset({"namespaced", "sageMaker", "pods"}),
            is_namespaced=True,
        ),
    )
}
