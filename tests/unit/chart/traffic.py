"""Connections that NetworkPolicies allow: cyclonus evaluates them without a cluster."""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from unit.chart.rendering import Object, program


@dataclass(frozen=True)
class Peer:
    """A pod in a namespace or, without a namespace, an address outside of the pod network."""

    ip: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def described(self) -> dict[str, Any]:
        """The peer in cyclonus' format."""
        if not self.namespace:
            return {"IP": self.ip}
        namespace = {"Namespace": self.namespace, "NamespaceLabels": {"kubernetes.io/metadata.name": self.namespace}}
        return {"IP": self.ip, "Internal": namespace | {"PodLabels": dict(self.labels)}}


@dataclass(frozen=True)
class Connection:
    """An attempted connection."""

    source: Peer
    destination: Peer
    port: int
    protocol: str = "TCP"

    @property
    def described(self) -> dict[str, Any]:
        """The connection in cyclonus' format."""
        ends = {"Source": self.source.described, "Destination": self.destination.described}
        return ends | {"ResolvedPort": self.port, "ResolvedPortName": "", "Protocol": self.protocol}


def allowed(policies: Iterable[Object], connections: Iterable[Connection]) -> list[bool]:
    """Return for each connection whether the policies allow it."""
    wanted = [connection.described for connection in connections]
    with tempfile.TemporaryDirectory() as folder:
        policy, traffic = Path(folder) / "policies.yaml", Path(folder) / "traffic.json"
        policy.write_text(yaml.safe_dump_all(policies))
        traffic.write_text(json.dumps(wanted))
        command = [program("cyclonus"), "analyze", "--mode", "query-traffic"]
        command += ["--policy-path", str(policy), "--traffic-path", str(traffic)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    answers = re.findall(r"IS ALLOWED\? \| +(TRUE|FALSE) ", told)
    assert len(answers) == len(wanted), told
    return [answer == "TRUE" for answer in answers]
