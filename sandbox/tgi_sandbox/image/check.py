"""Build the image, inspect it, and bring an endpoint to Ready with it."""

import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tgi_sandbox.aws.server import AwsDouble
from tgi_sandbox.cluster import ControlPlane, build
from tgi_sandbox.cluster.definitions import wait_established
from tgi_sandbox.cluster.ports import LOOPBACK, answers, free_ports
from tgi_sandbox.demo.deploy import AWS_SPEED, BACKENDS
from tgi_sandbox.demo.stage import CRD, REPOSITORY
from tgi_sandbox.image import figures
from tgi_sandbox.image.bases import stand_ins
from tgi_sandbox.image.buildah import Buildah, ImageConfig, ImageError
from tgi_sandbox.image.container import Container, Volume, look, specification
from tgi_sandbox.image.contents import contents
from tgi_sandbox.image.figures import Figures

BASELINE = REPOSITORY / "ci" / "image-baseline.json"
SBOM = REPOSITORY / "dist" / "sbom.cdx.json"

_MANIFESTS = REPOSITORY / "manifests" / "base" / "operator.yaml"
_DOCKERFILE = REPOSITORY / "Dockerfile"
_TAG = "localhost/tgi-operator:check"
_STARTS = 3
_START_SECONDS = 60.0
_READY_SECONDS = 120
_KUBECONFIG = "/etc/kubeconfig"
_TMP = "/tmp"  # noqa: S108


@dataclass(frozen=True)
class _Image:
    """The image as it is run: its files, its configuration, and a folder of this machine for other files."""

    rootfs: Path
    config: ImageConfig
    folder: Path
    memory: int

    @property
    def tmp(self) -> Path:
        return self.folder / "tmp"

    def container(self, name: str, arguments: list[str], environment: dict[str, str], *volumes: Volume) -> Container:
        tmp = Volume(self.tmp, _TMP, writable=True)
        spec = specification(self.rootfs, self.config, arguments, environment, tmp, *volumes, memory=self.memory)
        return Container(self.folder / name, name, spec, self.folder / f"{name}.log")


def check(folder: Path, *, pull: bool, fresh: bool, record: bool) -> int:
    """Check the image with files in `folder`; return the exit code: 1 if a check fails.

    `pull` takes the Dockerfile's own base images instead of stand-ins, `fresh` rebuilds everything from current
    packages, and `record` stores the figures for comparison with later versions.
    """
    _need("buildah", "runc", *(() if pull else ("mmdebstrap",)))
    shutil.rmtree(folder, ignore_errors=True)
    buildah = Buildah(build.cache_folder() / "image")
    with buildah.alone(empty=fresh):
        _build(buildah, pull=pull)
        with buildah.rootfs(_TAG) as rootfs:
            image = _Image(rootfs, buildah.config(_TAG), folder, _memory_limit())
            measured, problems = _run(image, "pulled" if pull else "stand-ins", buildah.pull_bytes(_TAG))
    earlier = figures.read(BASELINE)
    print("\n".join(measured.rows(earlier)))
    if record:
        measured.write(BASELINE)
    problems += [] if record else measured.problems(earlier)
    for problem in problems:
        print(f"FAILED: {problem}")
    print("The image did not pass the checks." if problems else "The image passed all checks.")
    return 1 if problems else 0


def _build(buildah: Buildah, *, pull: bool) -> None:
    started = time.monotonic()
    bases = {} if pull else stand_ins(buildah, _DOCKERFILE, _uv())
    print(f"Prepared the base images in {time.monotonic() - started:.0f} s", flush=True)
    started = time.monotonic()
    buildah.build(_DOCKERFILE, REPOSITORY, _TAG, bases, pull=pull)
    print(f"Built the image in {time.monotonic() - started:.0f} s", flush=True)


def _run(image: _Image, bases: str, pull_bytes: int) -> tuple[Figures, list[str]]:
    user, group = image.config.ids
    image.tmp.mkdir(parents=True)
    os.chown(image.tmp, user, group)
    # A container runtime creates mount points before it makes the root read-only.
    (image.rootfs / _KUBECONFIG.lstrip("/")).touch()
    (image.rootfs / "dev" / "shm").mkdir(exist_ok=True)
    before = contents(image.rootfs)
    problems = list(before.problems(_listed()))
    problems += [f"the image runs as {name} 0" for name, number in (("user", user), ("group", group)) if number == 0]
    _output(image, "fetch", ["fetch", "--help"])
    with _cloud(image) as (environment, kubectl):
        starts = [_start(image, environment) for _ in range(_STARTS - 1)]
        starts.append(_start(image, environment, kubectl))
    problems += sorted({problem for start in starts for problem in start.problems})
    changed = before.changes(contents(image.rootfs))
    problems += [f"{path} changed while the operator was running" for path in changed]
    print(f"Changed files in the image: {len(changed)}")
    written = sorted(str(path.relative_to(image.tmp)) for path in image.tmp.rglob("*"))
    print(f"Files that remain in {_TMP} after all runs: {', '.join(written) or 'none'}")
    measured = Figures(
        version=image.config.labels["org.opencontainers.image.version"],
        bases=bases,
        unpacked_mb=round(before.bytes / 1e6, 1),
        pull_mb=round(pull_bytes / 1e6, 1),
        files=len(before.files),
        start_seconds=round(statistics.median(start.seconds for start in starts), 2),
        start_cpu_seconds=round(statistics.median(start.cpu_seconds for start in starts), 2),
        memory_mib=round(starts[-1].peak_mib),
    )
    return measured, problems


@contextmanager
def _cloud(image: _Image) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Yield the operator's environment and kubectl's command: a cluster with the CRD, and an AWS."""
    program = str(build.ensure()["kubectl"])
    (port,) = free_ports(1)
    with ControlPlane(image.folder / "cluster", nodes=("m5.xlarge",)) as plane, AwsDouble(speed=AWS_SPEED) as aws:
        kubectl = [program, "--kubeconfig", str(plane.kubeconfig)]
        subprocess.run([*kubectl, "apply", "-f", str(CRD)], check=True, capture_output=True)  # noqa: S603 - our own
        wait_established(plane.api, "tgiendpoints.tgi-operator.dev")
        mine = image.folder / "kubeconfig"
        shutil.copyfile(plane.kubeconfig, mine)
        mine.chmod(0o400)
        os.chown(mine, *image.config.ids)
        settings = {"HTTP_PORT": str(port), "HTTP_ADDRESS": LOOPBACK, "SWEEP_INTERVAL": "1"}
        variables = {f"TGI_OPERATOR_{name}": value for name, value in settings.items()}
        yield {**aws.environment, **variables, "KUBECONFIG": _KUBECONFIG}, kubectl


@dataclass(frozen=True)
class _Start:
    """One run of the operator: seconds until it was ready, its final memory, and the problems found."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    problems: list[str]


def _start(image: _Image, environment: dict[str, str], kubectl: list[str] | None = None) -> _Start:
    """Run the operator until it is ready and, with `kubectl`, until an endpoint is."""
    kubeconfig = Volume(image.folder / "kubeconfig", _KUBECONFIG)
    container = image.container("operator", [], environment, kubeconfig)
    port = int(environment["TGI_OPERATOR_HTTP_PORT"])
    started = time.monotonic()
    container.process.start()
    try:
        container.process.wait_ready(lambda: answers(port, "/readyz"), _START_SECONDS)
        seconds, ready = time.monotonic() - started, look(container.pid())
        if kubectl:
            _bring_to_ready(kubectl)
        ended = look(container.pid())
    finally:
        container.stop()
    problems = ended.problems(image.config.ids[0])
    if code := container.process.returncode:
        problems.append(f"the operator exited with code {code} when it was stopped")
    return _Start(seconds, ready.cpu_seconds, ended.peak_mib, problems)


def _bring_to_ready(kubectl: list[str]) -> None:
    example = BACKENDS["sagemaker"]
    name = yaml.safe_load(example.read_text())["metadata"]["name"]
    wait = ["wait", "--for=condition=Ready", f"tgi/{name}", f"--timeout={_READY_SECONDS}s"]
    for words in (["apply", "-f", str(example)], wait, ["get", "tgi", name]):
        done = subprocess.run([*kubectl, *words], capture_output=True, text=True, check=False)  # noqa: S603 - our own
        if done.returncode != 0:
            raise ImageError(f"kubectl {words[0]} failed: {done.stderr}")
    print(done.stdout, end="", flush=True)


def _output(image: _Image, name: str, arguments: list[str]) -> None:
    """Run another command of the image to its end."""
    container = image.container(name, arguments, {})
    container.process.start()
    container.process.wait(_START_SECONDS)
    container.stop()
    if container.process.returncode != 0:
        raise ImageError(f"tgi-operator {' '.join(arguments)} failed:\n{container.process.log.read_text()}")


def _listed() -> set[str]:
    """Return the distributions in the list of materials."""
    if not SBOM.exists():
        raise ImageError(f"{SBOM} does not exist; run `make sbom`")
    bom = json.loads(SBOM.read_text())
    return {component["name"] for component in (bom["metadata"]["component"], *bom["components"])}


def _memory_limit() -> int:
    """Return the memory limit of the operator's container in its Deployment, in bytes."""
    deployment = next(each for each in yaml.safe_load_all(_MANIFESTS.read_text()) if each["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return int(container["resources"]["limits"]["memory"].removesuffix("Mi")) * 1024 * 1024


def _uv() -> Path:
    """Return the path of uv: the one that runs this command, otherwise the one on PATH."""
    found = os.environ.get("UV") or shutil.which("uv")
    if not found:
        raise ImageError("uv is not on PATH; run `make image-check`")
    return Path(found)


def _need(*programs: str) -> None:
    if missing := [name for name in programs if not shutil.which(name)]:
        raise ImageError(f"not installed: {', '.join(missing)}; on Debian, run `apt-get install {' '.join(missing)}`")
    if os.geteuid() != 0:
        raise ImageError("the check needs root to build and run containers; run `sudo make image-check`")
