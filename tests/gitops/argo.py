"""Argo CD as three processes beside a cluster: its Redis, its repo-server and its application controller."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import argocd
from e2e.conftest import until
from integration.install.cluster import Cluster
from tgi_sandbox.cluster import build
from tgi_sandbox.cluster.api import ApiError
from tgi_sandbox.cluster.ports import LOOPBACK, answers, free_ports, is_listening
from tgi_sandbox.cluster.programs import ARGOCD, PROGRAMS
from tgi_sandbox.processes import Process, stop_all

NAMESPACE = "argocd"
MODULE = "github.com/argoproj/argo-cd/v3"

RESYNC_SECONDS = 3
"""How often Argo CD compares everything, changed or not; the default is two minutes."""

_READY_SECONDS = 60.0

# Argo CD's server creates this project at its start; here, no server runs.
_PROJECT = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "AppProject",
    "metadata": {"name": "default", "namespace": NAMESPACE},
    "spec": {
        "sourceRepos": ["*"],
        "destinations": [{"namespace": "*", "server": "*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    },
}


class ArgoCD:
    """A context manager. Argo CD has the permissions of a cluster administrator, as with `install.yaml`."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._source = build.source(ARGOCD, MODULE)
        self._folder = folder
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        self._install()
        self._lay_out()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the processes."""
        stop_all(self._processes, grace=2)

    def check(self) -> None:
        """Raise an error if one of them has ended unexpectedly."""
        for process in self._processes:
            process.check()

    def _install(self) -> None:
        manifests = self._source / "manifests"
        namespace: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        self._cluster.apply(namespace)
        # Too large for the annotation of a client-side apply.
        self._cluster.kubectl("apply", "--server-side", "-k", str(manifests / "crds"))
        self._cluster.kubectl("apply", "-n", NAMESPACE, "-k", str(manifests / "base" / "config"))
        until(self._is_served, lambda: "AppProjects are not served")
        self._cluster.apply(_PROJECT)
        # As in docs/gitops.md.
        self._cluster.kubectl("apply", "--server-side", "-k", str(argocd.MANIFESTS))

    def _is_served(self) -> bool:
        try:
            self._cluster.plane.api.request("GET", "/apis/argoproj.io/v1alpha1/appprojects")
        except ApiError:
            return False
        return True

    def _start(self) -> None:
        programs = build.find(name for name, program in PROGRAMS.items() if program.module is ARGOCD)
        argo = str(programs["argocd"])
        redis, repository, repository_metrics, metrics = free_ports(4)
        cache = self._run("argocd-redis", [str(programs["argocd-redis"]), f"{LOOPBACK}:{redis}"])
        cache.wait_ready(lambda: is_listening(redis), _READY_SECONDS)
        flags = [f"--redis={LOOPBACK}:{redis}", *_repo_server(repository, repository_metrics)]
        server = self._run("argocd-repo-server", [argo, *flags])
        server.wait_ready(lambda: answers(repository_metrics, "/healthz?full=true"), _READY_SECONDS)
        flags = [f"--redis={LOOPBACK}:{redis}", *_application_controller(repository, metrics)]
        controller = self._run("argocd-application-controller", [argo, *flags])
        controller.wait_ready(lambda: answers(metrics, "/healthz"), _READY_SECONDS)

    def _lay_out(self) -> None:
        """Collect the programs that the repo-server calls by name in one folder."""
        programs = self._folder / "bin"
        programs.mkdir(parents=True)
        (programs / "kustomize").symlink_to(build.find(["kustomize"])["kustomize"])
        # Called for every commit, although signatures are not checked. Files in Go's cache are not executable.
        wrapper = programs / "git-verify-wrapper.sh"
        shutil.copyfile(self._source / "hack" / wrapper.name, wrapper)
        wrapper.chmod(0o755)
        (self._folder / "tmp").mkdir()

    def _run(self, component: str, command: Sequence[str]) -> Process:
        programs, temporary = self._folder / "bin", self._folder / "tmp"
        environment = {
            **os.environ,
            "ARGOCD_BINARY_NAME": component,
            "KUBECONFIG": str(self._cluster.plane.kubeconfig),
            # https://kubernetes.default.svc is the cluster of KUBECONFIG.
            "ARGOCD_FAKE_IN_CLUSTER": "true",
            "ARGOCD_GPG_ENABLED": "false",
            "HOME": str(self._folder),
            "TMPDIR": str(temporary),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        }
        process = Process(component, command, self._folder / f"{component}.log", environment)
        self._processes.append(process)
        process.start()
        return process


def _repo_server(port: int, metrics: int) -> list[str]:
    return [
        f"--address={LOOPBACK}",
        f"--port={port}",
        f"--metrics-address={LOOPBACK}",
        f"--metrics-port={metrics}",
        "--disable-tls",
        "--client-ca-path=",
    ]


def _application_controller(repo_server: int, metrics: int) -> list[str]:
    return [
        f"--namespace={NAMESPACE}",
        f"--repo-server={LOOPBACK}:{repo_server}",
        "--repo-server-plaintext",
        f"--metrics-port={metrics}",  # on all interfaces: it has no flag for the address
        f"--app-resync={RESYNC_SECONDS}",
        "--app-resync-jitter=0",
        "--persist-resource-health",  # stored in the Application's status; otherwise only in Redis
    ]
