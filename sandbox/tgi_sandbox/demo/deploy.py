"""The demo: a cluster, an AWS emulator and the operator start, a resource becomes an endpoint, and it answers."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import yaml

from tgi_sandbox.demo.progress import watch
from tgi_sandbox.demo.stage import REPOSITORY, staged

EXAMPLES = REPOSITORY / "manifests" / "examples"
BACKENDS = {"sagemaker": EXAMPLES / "tgiendpoint.yaml", "incluster": EXAMPLES / "in-cluster.yaml"}
"""The example by backend."""

NODES = ("m5.xlarge", "g6.xlarge", "g6.xlarge")
QUESTION = "What is deep learning?"

AWS_SPEED = 24
"""The four minutes that the emulator takes to create an endpoint pass in ten seconds."""


def demo(folder: Path, backend: str) -> int:
    """Run the demo with its files in `folder`; return the exit code. All processes that it starts end with it."""
    example = BACKENDS[backend]
    metadata = yaml.safe_load(example.read_text())["metadata"]
    name, namespace = str(metadata["name"]), str(metadata["namespace"])
    with staged(folder, NODES, AWS_SPEED, sweep_interval=1) as stage:
        stage.kubectl("create", "namespace", namespace)
        stage.kubectl("config", "set-context", "--current", "--namespace", namespace)
        stage.apply(example)
        watch(stage, name, AWS_SPEED, namespace)
        stage.kubectl("get", "tgi", name)
        if backend == "incluster":
            stage.kubectl("get", "deployments,services,jobs,pods", "-l", f"tgi-operator.dev/name={name}")
        stage.kubectl("get", "events", "--field-selector", f"involvedObject.name={name}")
        ask = ["invoke", "--namespace", namespace, name, QUESTION]
        stage.console.print(f"\n[bold]$ tgi-operator {shlex.join(ask)}[/bold]", highlight=False)
        environment = {**os.environ, **stage.aws.environment, "KUBECONFIG": str(stage.plane.kubeconfig)}
        program = str(Path(sys.executable).with_name("tgi-operator"))
        subprocess.run([program, *ask], env=environment, check=True)  # noqa: S603 - our own command
    stage.console.print("\nAll processes have stopped. To start a sandbox that keeps running, use `make cluster`.")
    return 0
