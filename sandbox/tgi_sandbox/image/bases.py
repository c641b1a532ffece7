"""Stand-ins for the images that the Dockerfile starts from, built from packages instead of pulled from registries.

`docker.io/library/debian` is built by mmdebstrap from the same Debian release. The distroless image is built from the
Debian packages of the real one (`distroless.Containerfile`). uv's image is the binary in uv's wheel.
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tgi_sandbox.image.buildah import Buildah, ImageError
from tgi_sandbox.processes import tail

_DISTROLESS = Path(__file__).with_name("distroless.Containerfile")
_SUITE = "trixie"
_DEBIAN = f"localhost/stand-in/debian:{_SUITE}"
_RUNTIME = "localhost/stand-in/distroless:latest"
_UV = "localhost/stand-in/uv:latest"


def stand_ins(buildah: Buildah, dockerfile: Path, uv: Path) -> dict[str, str]:
    """Return the Dockerfile's ARGs for images with their stand-ins, building missing ones first."""
    _same_versions(dockerfile.read_text(), (dockerfile.parent / "ci" / "uv-requirements.txt").read_text(), uv)
    if not buildah.has(_DEBIAN):
        _debian(buildah)
    with tempfile.TemporaryDirectory() as folder:
        if not buildah.has(_RUNTIME):
            buildah.build(_DISTROLESS, Path(folder), _RUNTIME, {"DEBIAN_IMAGE": _DEBIAN})
        shutil.copy(uv, Path(folder, "uv"))
        _from_scratch(buildah, Path(folder), "COPY uv /uv", _UV)
    return {"UV_IMAGE": _UV, "BUILD_IMAGE": _DEBIAN, "RUNTIME_IMAGE": _RUNTIME}


def _debian(buildah: Buildah) -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = ["mmdebstrap", "--variant=minbase", _SUITE, f"{folder}/debian.tar"]
        with buildah.log.open("ab") as log:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)  # noqa: S603
        if done.returncode != 0:
            raise ImageError(f"mmdebstrap failed; the end of {buildah.log}:\n{tail(buildah.log)}")
        _from_scratch(buildah, Path(folder), "ADD debian.tar /", _DEBIAN)


def _from_scratch(buildah: Buildah, folder: Path, step: str, tag: str) -> None:
    file = folder / "Containerfile"
    file.write_text(f"FROM scratch\n{step}\n")
    buildah.build(file, folder, tag, {})


def _same_versions(dockerfile: str, requirements: str, uv: Path) -> None:
    """Raise an error if the Dockerfile uses other images than those with stand-ins."""
    said = subprocess.run([str(uv), "--version"], capture_output=True, text=True, check=True).stdout.split()[1]  # noqa: S603
    wanted = re.search(r"^uv==([\d.]+)", requirements, re.MULTILINE)
    if wanted is None or wanted[1] != said:
        raise ImageError(f"the Dockerfile requires uv {wanted[1] if wanted else '(none)'}, but {uv} has version {said}")
    for image in (f"/debian:{_SUITE}-slim", "/python3-debian13:nonroot"):
        if image not in dockerfile:
            raise ImageError(f"the Dockerfile no longer uses {image}; update bases.py, which replaces that image")
