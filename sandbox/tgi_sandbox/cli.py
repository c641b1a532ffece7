"""The `tgi-sandbox` command, which starts and stops a Kubernetes control plane and an AWS emulator together."""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tgi_sandbox.aws.control import Control
from tgi_sandbox.cluster import build, components
from tgi_sandbox.cluster.build import BuildError
from tgi_sandbox.cluster.control_plane import ControlPlane
from tgi_sandbox.cluster.ports import LOOPBACK, answers, free_ports
from tgi_sandbox.cluster.programs import ARGOCD, CLUSTER, KEDA, PROGRAMS, USUAL
from tgi_sandbox.cluster.toolchain import ToolchainError
from tgi_sandbox.processes import PidFile, Process, ProcessError, tail

# Programs of the sandbox that also run alone; the rest of the command line is passed to them.
_MODULES = ("aws", "tgi")

_START_SECONDS = 120.0
_STOP_SECONDS = 20.0
_WATCH_SECONDS = 0.5
_POLL_SECONDS = 0.1


class Folder:
    """The files that `up` writes for `down`, `status` and the user's shell."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.pid_file = PidFile(self.path / "pid")
        self.env = self.path / "env"
        self.status = self.path / "status.json"
        self.cluster = self.path / "cluster"
        self.logs = self.path / "logs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in _MODULES:
        os.execv(sys.executable, [sys.executable, "-m", f"tgi_sandbox.{given[0]}", *given[1:]])  # noqa: S606
    try:
        if given and given[0] == "helm":
            return _helm(given[1:])
        options = _parser().parse_args(given)
        return int(options.run(options))
    except (BuildError, ToolchainError, ProcessError) as error:
        print(f"tgi-sandbox: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tgi-sandbox", description="Run a Kubernetes control plane and an AWS emulator on this machine."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    in_folder = argparse.ArgumentParser(add_help=False)
    in_folder.add_argument(
        "--dir", type=Path, default=Path(".sandbox"), help="folder for the sandbox's files (default: %(default)s)"
    )

    up = commands.add_parser("up", parents=[in_folder], help="build missing programs and start the sandbox")
    up.add_argument("--detach", action="store_true", help="run the sandbox in the background")
    up.add_argument(
        "--aws-speed",
        type=float,
        default=1.0,
        help="speed of the AWS clock, relative to real time (default: %(default)s)",
    )
    up.add_argument("--metrics", action="store_true", help="also serve the metrics of TGI to HorizontalPodAutoscalers")
    up.add_argument("--keda", action="store_true", help="same as --metrics, but also start KEDA")
    up.set_defaults(run=_up)
    down = commands.add_parser("down", parents=[in_folder], help="stop the sandbox")
    down.set_defaults(run=_down)
    status = commands.add_parser(
        "status", parents=[in_folder], help="list the processes; the exit code is 1 if the sandbox is not running"
    )
    status.set_defaults(run=_status)
    on_backend = argparse.ArgumentParser(add_help=False)
    on_backend.add_argument(
        "--backend",
        choices=("sagemaker", "incluster"),
        default="sagemaker",
        help="where the endpoint runs (default: %(default)s)",
    )
    show = commands.add_parser(
        "demo", parents=[in_folder, on_backend], help="deploy the example and send a prompt to it"
    )
    show.set_defaults(run=_demo)
    scale = commands.add_parser(
        "demo-scale", parents=[in_folder, on_backend], help="raise and lower the load on an autoscaled endpoint"
    )
    scale.add_argument(
        "--picture", type=Path, metavar="FILE", help="file for the chart, .svg or .png (default: DIR/scaling.svg)"
    )
    scale.set_defaults(run=_demo_scale)
    programs = commands.add_parser("build", help="build the programs, including Helm, and start nothing")
    programs.add_argument(
        "--keda", action="store_true", help="also build KEDA, which takes as long as all other programs"
    )
    programs.add_argument("--argocd", action="store_true", help="also build Argo CD, for `make argocd-check`")
    programs.set_defaults(run=_build)
    image = commands.add_parser(
        "image-check", parents=[in_folder], help="build the operator's image and run it on this machine"
    )
    image.add_argument("--pull", action="store_true", help="pull the base images from their registries")
    image.add_argument("--fresh", action="store_true", help="rebuild everything from current packages")
    image.add_argument("--record", action="store_true", help="save the figures as the baseline for later versions")
    image.set_defaults(run=_image_check)
    commands.add_parser("aws", help="run only the AWS emulator, in the foreground", add_help=False)
    commands.add_parser("tgi", help="run only the TGI simulator, in the foreground", add_help=False)
    commands.add_parser("helm", help="build Helm if necessary and run it", add_help=False)
    return parser


def _up(options: argparse.Namespace) -> int:
    folder = Folder(options.dir)
    if folder.pid_file.owner():
        return _already_up(folder)
    build.ensure({*CLUSTER, *_components(options)})
    if options.detach:
        return _detach(folder, options)
    if not folder.pid_file.acquire():
        return _already_up(folder)
    # SIGINT too: a shell that starts this in the background makes it ignore SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        _run(folder, options)
    finally:
        folder.env.unlink(missing_ok=True)
        folder.status.unlink(missing_ok=True)
        folder.pid_file.release()
    return 0


def _already_up(folder: Folder) -> int:
    _wait_until_up(folder, lambda: folder.pid_file.owner() is not None)
    print("The sandbox is already running.")
    _print_usage(folder)
    return 0


def _components(options: argparse.Namespace) -> tuple[str, ...]:
    if options.keda:
        return components.WITH_KEDA
    return components.WITH_METRICS if options.metrics else components.ALL


def _run(folder: Folder, options: argparse.Namespace) -> None:
    """Start everything, and keep it running until a signal arrives or one of the processes ends unexpectedly."""
    folder.env.unlink(missing_ok=True)  # a killed predecessor can leave it
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "tgi_sandbox.aws", "--port", str(port), "--speed", str(options.aws_speed)]
    aws = Process("the AWS emulator", command, folder.logs / "aws.log")
    aws.log.unlink(missing_ok=True)
    address = f"http://{LOOPBACK}:{port}"
    control_plane = ControlPlane(folder.cluster, _components(options), aws=address)
    try:
        print("Starting the Kubernetes control plane and the AWS emulator ...", flush=True)
        aws.start()
        control_plane.start()
        aws.wait_ready(lambda: answers(port, "/_sandbox/clock"), _START_SECONDS)
        Control(address).cluster(components.EKS_CLUSTER, components.ISSUER)
        processes = {**control_plane.processes, "aws": aws}
        _write_files(folder, control_plane, address, processes)
        _print_usage(folder)
        print("Press Ctrl-C to stop the sandbox.", flush=True)
        while True:
            for process in processes.values():
                process.check()
            time.sleep(_WATCH_SECONDS)
    except KeyboardInterrupt:
        print("\nStopping the sandbox.", flush=True)
    finally:
        control_plane.stop()
        aws.stop()


def _write_files(folder: Folder, control_plane: ControlPlane, aws_url: str, processes: Mapping[str, Process]) -> None:
    status = {
        "kubernetes": control_plane.api.url,
        "prometheus": control_plane.prometheus_url,
        "aws": aws_url,
        "processes": {name: {"pid": process.pid, "log": str(process.log)} for name, process in processes.items()},
    }
    folder.status.write_text(json.dumps(status, indent=2) + "\n")
    unfinished = folder.env.with_name(".env-unfinished")
    unfinished.write_text(environment_file(control_plane.kubeconfig, aws_url, build.find(["kubectl"])["kubectl"]))
    unfinished.rename(folder.env)  # its presence shows that all is ready


def environment_file(kubeconfig: Path, aws_url: str, kubectl: Path) -> str:
    """Return the shell commands that point Kubernetes and AWS clients at the sandbox."""
    variables = {
        "KUBECONFIG": str(kubeconfig),
        "AWS_ENDPOINT_URL": aws_url,
        # The emulator accepts any credentials; these keep SDKs from finding or looking for real ones.
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        # For an operator that is started in this shell: in a cluster, it listens on all interfaces.
        "TGI_OPERATOR_HTTP_ADDRESS": LOOPBACK,
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    # The folders of kubectl, if it was built, and of the operator, the AWS CLI and this command, which can be installed
    # for `uv run` only.
    folders = [*([] if str(kubectl.parent) in os.get_exec_path() else [kubectl.parent]), Path(sys.executable).parent]
    lines += [f'export PATH={shlex.quote(str(folder))}:"$PATH"' for folder in folders]
    # Helm is built on first use.
    lines.append('command -v helm > /dev/null || helm() { tgi-sandbox helm "$@"; }')
    return "\n".join(lines) + "\n"


def _print_usage(folder: Folder) -> None:
    status = json.loads(folder.status.read_text())
    prometheus = f"Prometheus: {status['prometheus']}\n" if status["prometheus"] else ""
    print(
        f"Kubernetes {build.kubernetes_version()}: {status['kubernetes']}\n"
        f"AWS: {status['aws']}\n"
        f"{prometheus}"
        "To use them in a shell:\n"
        f"  source {shlex.quote(os.path.relpath(folder.env))}\n"
        "  kubectl get nodes\n"
        "To stop the sandbox, run `make cluster-stop` or:\n"
        f"  tgi-sandbox down --dir {shlex.quote(os.path.relpath(folder.path))}",
        flush=True,
    )


def _detach(folder: Folder, options: argparse.Namespace) -> int:
    """Start the same command in a separate session that outlives this one, and wait until all is ready."""
    log = folder.logs / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    folder.env.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tgi_sandbox.cli", "up", "--dir", str(folder.path)]
    command += ["--aws-speed", str(options.aws_speed)]
    command += [f"--{name}" for name in ("metrics", "keda") if getattr(options, name)]
    with log.open("wb") as output:
        supervisor = subprocess.Popen(  # noqa: S603 (this very program)
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _wait_until_up(folder, lambda: supervisor.poll() is None)
    except BaseException:
        supervisor.terminate()
        supervisor.wait()
        raise
    _print_usage(folder)
    return 0


def _wait_until_up(folder: Folder, alive: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not folder.env.exists():
        if not alive():
            raise ProcessError(f"the sandbox did not start:\n{tail(folder.logs / 'up.log')}")
        if time.monotonic() > deadline:
            raise ProcessError(f"the sandbox was not ready within {_START_SECONDS:g} s; see the logs in {folder.path}")
        time.sleep(_POLL_SECONDS)


def _down(options: argparse.Namespace) -> int:
    folder = Folder(options.dir)
    owner = folder.pid_file.owner()
    if owner is None:
        print(f"No sandbox is running in {os.path.relpath(folder.path)}.")
        return 0
    for number in (signal.SIGTERM, signal.SIGKILL):
        os.kill(owner, number)
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            if folder.pid_file.owner() != owner:
                print("The sandbox has stopped.")
                return 0
            time.sleep(_POLL_SECONDS)
    raise ProcessError(f"the sandbox cannot be stopped: process {owner} did not exit after SIGKILL")


def _status(options: argparse.Namespace) -> int:
    folder = Folder(options.dir)
    owner = folder.pid_file.owner()
    if owner is None or not folder.env.exists():
        print(f"The sandbox in {os.path.relpath(folder.path)} is {'not running' if owner is None else 'starting'}.")
        return 1
    status = json.loads(folder.status.read_text())
    rows = [("PROCESS", "PID", "LOG"), ("tgi-sandbox up", str(owner), "")]
    rows += [(name, str(process["pid"]), process["log"]) for name, process in status["processes"].items()]
    for name, pid, log in rows:
        print(f"{name:<24} {pid:>8}  {log}".rstrip())
    print()
    _print_usage(folder)
    return 0


def _demo(options: argparse.Namespace) -> int:
    from tgi_sandbox.demo.deploy import demo  # noqa: PLC0415 - the other commands draw no tables

    return _perform(lambda: demo(options.dir / "demo", options.backend))


def _demo_scale(options: argparse.Namespace) -> int:
    from tgi_sandbox.demo.scale import demo_scale  # noqa: PLC0415 - the other commands draw no charts

    picture = options.picture or options.dir / "scaling.svg"
    return _perform(lambda: demo_scale(options.dir / "demo-scale", options.backend, picture))


def _perform(demo: Callable[[], int]) -> int:
    from tgi_sandbox.demo.stage import DemoError  # noqa: PLC0415 - as above

    # SIGINT too: a shell that starts this in the background makes it ignore SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        return demo()
    except (DemoError, subprocess.CalledProcessError) as error:
        raise ProcessError(str(error)) from None


def _helm(arguments: Sequence[str]) -> int:
    program = build.ensure(["helm"])["helm"]
    os.execv(program, [str(program), *arguments])  # noqa: S606


def _image_check(options: argparse.Namespace) -> int:
    from tgi_sandbox.image.buildah import ImageError  # noqa: PLC0415 - only this command knows containers
    from tgi_sandbox.image.check import check  # noqa: PLC0415

    try:
        return check(options.dir.absolute() / "image", pull=options.pull, fresh=options.fresh, record=options.record)
    except (ImageError, subprocess.CalledProcessError) as error:
        raise ProcessError(str(error)) from None


def _build(options: argparse.Namespace) -> int:
    asked = [module for module, wanted in ((KEDA, options.keda), (ARGOCD, options.argocd)) if wanted]
    names = [*USUAL, *(name for name, program in PROGRAMS.items() if program.module in asked)]
    for name, path in build.ensure(names).items():
        print(f"{name:<24} {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
