"""The control plane's programs: found where the user has them, else compiled once from the Go modules in `go.mod`.

They go to a cache folder outside the clone whose name is the hash of `go.mod` and `go.sum`, so every clone at the same
versions shares them and a new version never meets an old program. A program appears there in one rename, so a build
that is cut short leaves nothing half-written, and a lock lets only one builder work at a time.
"""

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tgi_sandbox.cluster.progress import Progress
from tgi_sandbox.cluster.toolchain import find_go, go_environment
from tgi_sandbox.processes import Process, ProcessError

MODULE = Path(__file__).parent

# In the order of building: what every test needs comes first.
PACKAGES: Mapping[str, str] = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
}

# setup-envtest's folder of programs has these three.
_KUBEBUILDER_PROGRAMS = ("etcd", "kube-apiserver", "kubectl")
_TICK_SECONDS = 0.2


class BuildError(RuntimeError):
    """A program could not be compiled; the message ends with what Go said."""


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder that keeps what is built, for all clones of this user."""
    base = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "tgi-sandbox"


def bin_folder() -> Path:
    """Return the folder of the programs built from this `go.mod` and `go.sum`."""
    digest = hashlib.sha256((MODULE / "go.mod").read_bytes() + (MODULE / "go.sum").read_bytes()).hexdigest()
    return cache_folder() / digest[:16] / "bin"


def kubernetes_version() -> str:
    """Return the version of Kubernetes that `go.mod` requires, such as `v1.36.3`."""
    return _required(r"^\s*k8s\.io/kubernetes (v[\d.]+)")


def find(names: Iterable[str] = PACKAGES) -> dict[str, Path]:
    """Return where each program is; a program that still has to be built is left out."""
    return {name: path for name in names if (path := _find_one(name))}


def _find_one(name: str) -> Path | None:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and name in _KUBEBUILDER_PROGRAMS and (provided := Path(assets) / name).exists():
        return provided
    if name == "kubectl" and (on_path := shutil.which("kubectl")):
        return Path(on_path)
    built = bin_folder() / name
    return built if built.exists() else None


def ensure(names: Iterable[str] = PACKAGES, progress: Progress | None = None) -> dict[str, Path]:
    """Return where each program is, building first those that are nowhere yet."""
    wanted = [name for name in PACKAGES if name in set(names)]
    found = find(wanted)
    if len(found) < len(wanted):
        progress = progress or Progress()
        with _one_builder(bin_folder().parent, progress):
            _build([name for name in wanted if name not in find(wanted)], progress)
        found = find(wanted)
    return found


@contextmanager
def _one_builder(folder: Path, progress: Progress) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "build.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _wait_for_lock(lock.fileno(), progress)
        yield


def _wait_for_lock(lock: int, progress: Progress) -> None:
    progress.begin("Waiting for another build of the same programs")
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.tick()
            time.sleep(_TICK_SECONDS)
        else:
            progress.done()
            return


def _build(names: list[str], progress: Progress) -> None:
    if not names:
        return
    go = find_go(_go_minimum(), cache_folder(), progress)
    folder = bin_folder()
    folder.mkdir(parents=True, exist_ok=True)
    progress.say(
        f"Building {', '.join(names)} with {go} into {folder}, once for this version. All six take about 15 minutes of "
        "CPU time, half of it in the first two, and 4 GB of Go's module and build caches."
    )
    for position, name in enumerate(names, start=1):
        progress.begin(f"[{position}/{len(names)}] {name}")
        _compile(go, name, folder / name, progress)
        progress.done("built")


def _compile(go: Path, name: str, target: Path, progress: Progress) -> None:
    log = target.parent.parent / f"build-{name}.log"
    log.unlink(missing_ok=True)
    unfinished = target.with_name(f".{name}-{os.getpid()}")
    command = [go, "build", "-C", MODULE, "-trimpath", "-mod=readonly", f"-ldflags={_link_flags()}", "-o", unfinished]
    compiler = Process(f"go build {name}", [*map(str, command), PACKAGES[name]], log, go_environment(os.environ))
    compiler.start()
    try:
        while not compiler.wait(_TICK_SECONDS):
            progress.tick()
        if compiler.returncode != 0:
            compiler.check()
        unfinished.rename(target)
    except ProcessError as error:
        raise BuildError(str(error)) from error
    finally:
        compiler.stop()
        unfinished.unlink(missing_ok=True)


def _link_flags() -> str:
    """Strip the programs, and name the version: one built from a module does not know it, and kubectl insists on it."""
    version = kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".")
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s", "-w", *(f"-X k8s.io/component-base/version.{key}={value}" for key, value in stamps.items())])


def _go_minimum() -> tuple[int, int]:
    major, minor = _required(r"^go (\d+\.\d+)").split(".")
    return int(major), int(minor)


def _required(pattern: str) -> str:
    found = re.search(pattern, (MODULE / "go.mod").read_text(), re.MULTILINE)
    if not found:
        raise BuildError(f"{MODULE / 'go.mod'} has no line like {pattern}")
    return found[1]
