"""The programs of the sandbox's cluster, and the Go modules that pin their versions."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Module:
    """A folder with a `go.mod`, a `go.sum` and its main packages; `cost` is the cost of building all of them."""

    folder: Path
    cost: str

    @property
    def key(self) -> str:
        """The files that change whenever a program can change."""
        files = (self.folder / "go.mod", self.folder / "go.sum", *sorted(self.folder.glob("*.go")))
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]

    @property
    def go(self) -> tuple[int, int]:
        """The oldest Go version that builds it."""
        major, minor = self._line(r"^go (\d+)\.(\d+)").groups()
        return int(major), int(minor)

    def version(self, path: str) -> str:
        """Return the version of a module that this one requires, such as `v1.36.3`."""
        return self._line(rf"^(?:require)?\s*{re.escape(path)} (v[\d.]+)")[1]

    def _line(self, pattern: str) -> re.Match[str]:
        found = re.search(pattern, (self.folder / "go.mod").read_text(), re.MULTILINE)
        if not found:
            raise LookupError(f"{self.folder / 'go.mod'} has no line like {pattern}")
        return found


@dataclass(frozen=True)
class Program:
    """A main package, the build tags that leave out parts, and whether it needs a C compiler."""

    module: Module
    package: str
    tags: str = ""
    cgo: bool = False


KUBERNETES = Module(_FOLDER, "about 9 minutes of CPU time, half of it for the first two, and 4 GB on disk")
_PROMETHEUS = Module(_FOLDER / "modules" / "prometheus", "about 3 minutes of CPU time, almost none of it for promtool")
KEDA = Module(_FOLDER / "modules" / "keda", "about 10 minutes of CPU time, most of it for the first, and 7 GB on disk")
HELM = Module(_FOLDER / "modules" / "helm", "about 1.5 minutes of CPU time")
_ADAPTER = Module(_FOLDER / "modules" / "prometheus-adapter", "about 3 minutes of CPU time")
ARGOCD = Module(
    _FOLDER / "modules" / "argocd", "about 8 minutes of CPU time, most of it for the last, and 3 GB on disk"
)
_KUBE_SCORE = Module(_FOLDER / "modules" / "kube-score", "about a minute of CPU time")
_KUBECTL_VALIDATE = Module(_FOLDER / "modules" / "kubectl-validate", "about 3 minutes of CPU time and 2 GB on disk")
_CYCLONUS = Module(_FOLDER / "modules" / "cyclonus", "a few seconds, if the control plane has been built")
VALE = Module(_FOLDER / "modules" / "vale", "about 3 minutes of CPU time")
# Has no programs: only its requirements are read, see `definitions`.
DEFINITIONS = Module(_FOLDER / "modules" / "definitions", "a few seconds to download")

# In build order: the programs that every test needs come first.
PROGRAMS: Mapping[str, Program] = {
    "etcd": Program(KUBERNETES, "go.etcd.io/etcd/server/v3"),
    "kube-apiserver": Program(KUBERNETES, "k8s.io/kubernetes/cmd/kube-apiserver"),
    "kubectl": Program(KUBERNETES, "k8s.io/kubernetes/cmd/kubectl"),
    "kube-controller-manager": Program(KUBERNETES, "k8s.io/kubernetes/cmd/kube-controller-manager"),
    "kube-scheduler": Program(KUBERNETES, "k8s.io/kubernetes/cmd/kube-scheduler"),
    "kwok": Program(KUBERNETES, "sigs.k8s.io/kwok/cmd/kwok"),
    "prometheus": Program(
        _PROMETHEUS, "github.com/prometheus/prometheus/cmd/prometheus", "remove_all_sd,enable_kubernetes_sd"
    ),
    # Checks rules and runs their tests; no cluster needs it. With the same tags, its packages are all compiled already.
    "promtool": Program(
        _PROMETHEUS, "github.com/prometheus/prometheus/cmd/promtool", "remove_all_sd,enable_kubernetes_sd"
    ),
    "prometheus-adapter": Program(_ADAPTER, "sigs.k8s.io/prometheus-adapter/cmd/adapter"),
    "helm": Program(HELM, "helm.sh/helm/v4/cmd/helm"),
    # Checks of manifests; no cluster needs them.
    "kube-score": Program(_KUBE_SCORE, "github.com/zegl/kube-score/cmd/kube-score"),
    "kubectl-validate": Program(_KUBECTL_VALIDATE, "sigs.k8s.io/kubectl-validate"),
    "cyclonus": Program(_CYCLONUS, "github.com/mattfenwick/cyclonus/cmd/cyclonus"),
    # Checks the English of the project; no cluster needs it. It parses programming languages by grammars in C.
    "vale": Program(VALE, "github.com/vale-cli/vale/v3/cmd/vale", cgo=True),
    "keda-operator": Program(KEDA, "github.com/kedacore/keda/v2/cmd/operator"),
    "keda-metrics-apiserver": Program(KEDA, "github.com/kedacore/keda/v2/cmd/adapter"),
    "argocd-redis": Program(ARGOCD, "tgi-sandbox/argocd"),
    "kustomize": Program(ARGOCD, "sigs.k8s.io/kustomize/kustomize/v5"),
    # All of its servers and controllers, and its command line.
    "argocd": Program(ARGOCD, "github.com/argoproj/argo-cd/v3/cmd"),
}
# The programs of a cluster and its users.
CLUSTER = tuple(name for name, program in PROGRAMS.items() if program.module is KUBERNETES)
# All except those that cost as much as the rest together, and the one that needs a C compiler.
USUAL = tuple(name for name, program in PROGRAMS.items() if program.module not in (KEDA, ARGOCD, VALE))
