"""The cluster's programs: the user's if installed, otherwise compiled once from the Go modules in `programs`.

They are in a cache folder outside the clone whose name is the hash of the module's `go.mod` and `go.sum`, so every
clone at the same versions shares them and a new version never reuses an old program. A program appears there in one
rename, so an interrupted build leaves no partial file. A lock allows only one build of a module at a time.
"""

import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tgi_sandbox.cluster.programs import CLUSTER, KUBERNETES, PROGRAMS, Module, Program
from tgi_sandbox.cluster.progress import Progress
from tgi_sandbox.cluster.toolchain import find_go, go_environment
from tgi_sandbox.processes import Process, ProcessError

# setup-envtest's folder of programs has these three.
_KUBEBUILDER_PROGRAMS = ("etcd", "kube-apiserver", "kubectl")
_TICK_SECONDS = 0.2


class BuildError(RuntimeError):
    """A program could not be compiled; the message ends with Go's output."""


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the cache folder of all clones of this user."""
    base = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "tgi-sandbox"


def bin_folder(module: Module = KUBERNETES) -> Path:
    """Return the folder of the programs built from a module in its current version."""
    return cache_folder() / module.key / "bin"


def kubernetes_version() -> str:
    """Return the version of Kubernetes that is built, such as `v1.36.3`."""
    return KUBERNETES.version("k8s.io/kubernetes")


def find(names: Iterable[str] = CLUSTER) -> dict[str, Path]:
    """Return the path of each program; a program that still has to be built is omitted."""
    return {name: path for name in names if (path := _find_one(name))}


def _find_one(name: str) -> Path | None:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and name in _KUBEBUILDER_PROGRAMS and (provided := Path(assets) / name).exists():
        return provided
    if name == "kubectl" and (on_path := shutil.which("kubectl")):
        return Path(on_path)
    built = bin_folder(PROGRAMS[name].module) / name
    return built if built.exists() else None


def ensure(names: Iterable[str] = CLUSTER, progress: Progress | None = None) -> dict[str, Path]:
    """Return the path of each program, building missing ones first."""
    wanted = [name for name in PROGRAMS if name in set(names)]
    found = find(wanted)
    missing = [name for name in wanted if name not in found]
    if missing:
        progress = progress or Progress()
        for module in dict.fromkeys(PROGRAMS[name].module for name in missing):
            with _one_builder(bin_folder(module).parent, progress):
                of_module = [name for name in missing if PROGRAMS[name].module == module]
                _build(module, [name for name in of_module if name not in find(of_module)], progress)
        found = find(wanted)
    return found


def source(module: Module, path: str) -> Path:
    """Return the source folder of a module that another requires, in Go's cache; Go downloads it first."""
    go = find_go(module.go, cache_folder(), Progress())
    command = [str(go), "mod", "download", "-json", f"{path}@{module.version(path)}"]
    answer = subprocess.run(  # noqa: S603 (the command is the user's own go)
        command, capture_output=True, text=True, check=False, cwd=module.folder, env=go_environment(os.environ)
    )
    if answer.returncode != 0:
        raise BuildError(f"{' '.join(command)} failed:\n{answer.stdout}{answer.stderr}")
    return Path(json.loads(answer.stdout)["Dir"])


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
    progress.begin("Waiting for another build of the same programs to finish")
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.tick()
            time.sleep(_TICK_SECONDS)
        else:
            progress.done()
            return


def _build(module: Module, names: list[str], progress: Progress) -> None:
    if not names:
        return
    go = find_go(module.go, cache_folder(), progress)
    folder = bin_folder(module)
    folder.mkdir(parents=True, exist_ok=True)
    progress.say(
        f"Building {', '.join(names)} with {go} in {folder}. "
        f"Each version is built only once. {_expected(module, len(names))}"
    )
    for position, name in enumerate(names, start=1):
        progress.begin(f"[{position}/{len(names)}] {name}")
        _compile(go, name, folder / name, progress)
        progress.done("built")


def _expected(module: Module, building: int) -> str:
    """Return the estimated cost of the build, if known: it was measured for all programs of the module together."""
    whole = sum(program.module is module for program in PROGRAMS.values())
    if building < whole:
        these = "This one takes" if building == 1 else f"These {building} take"
        return f"All {whole} programs of this module take {module.cost}. {these} less."
    return f"This takes {module.cost}."


def _compile(go: Path, name: str, target: Path, progress: Progress) -> None:
    program = PROGRAMS[name]
    log = target.parent.parent / f"build-{name}.log"
    log.unlink(missing_ok=True)
    unfinished = target.with_name(f".{name}-{os.getpid()}")
    command = [go, "build", "-C", program.module.folder, *_flags(program), "-o", unfinished, program.package]
    compiler = Process(f"go build {name}", [*map(str, command)], log, _environment(program))
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


def _environment(program: Program) -> dict[str, str]:
    return go_environment(os.environ) | ({"CGO_ENABLED": "1"} if program.cgo else {})


def _flags(program: Program) -> list[str]:
    return ["-trimpath", "-mod=readonly", f"-tags={program.tags}", f"-ldflags={_link_flags(program.module)}"]


def _link_flags(module: Module) -> str:
    """Strip the programs, and set the version: a program built from a module has none, and kubectl requires one."""
    if module != KUBERNETES:
        return "-s -w"
    version = kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".")
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s", "-w", *(f"-X k8s.io/component-base/version.{key}={value}" for key, value in stamps.items())])
