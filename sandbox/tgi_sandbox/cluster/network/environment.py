"""The environment of a TGI container, from its part of a pod's spec."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tgi_sandbox.cluster.network.pod import Container

# ENV PORT of TGI's image.
_DEFAULT_PORT = "80"

# Returns the value of a key of a secret.
SecretReader = Callable[[str, str], str]


def environment(container: Container, secret: SecretReader) -> dict[str, str] | None:
    """Return the environment that the TGI launcher reads, or none if the container runs another program.

    An argument of the launcher is written as its variable, which it overrides. Variables from other sources than plain
    values and secrets are omitted.
    """
    arguments = container.launcher_arguments
    if arguments is None:
        return None
    variables = {
        "PORT": _DEFAULT_PORT,
        **dict(_variables(container.spec.get("env", []), secret)),
        **dict(_options(arguments)),
    }
    if "MODEL_ID" not in variables:
        return None
    gpus = container.gpus
    # Like NVIDIA's device plugin, which names each GPU of the container.
    devices = {"NVIDIA_VISIBLE_DEVICES": ",".join(map(str, range(gpus)))} if gpus else {}
    return devices | variables | {"SANDBOX_GPUS": str(gpus)}


def port_of(container: Container) -> int | None:
    """Return the port of the TGI launcher in a container, or none if there is no launcher."""
    variables = environment(container, lambda *_: "")
    return int(variables["PORT"]) if variables else None


def _variables(env: Iterable[dict[str, Any]], secret: SecretReader) -> Iterator[tuple[str, str]]:
    for variable in env:
        source = variable.get("valueFrom")
        if source is None:
            yield variable["name"], variable.get("value", "")
        elif "secretKeyRef" in source:
            yield variable["name"], secret(source["secretKeyRef"]["name"], source["secretKeyRef"]["key"])


def _options(arguments: list[str]) -> Iterator[tuple[str, str]]:
    """`--max-input-tokens 5`, `--max-input-tokens=5` or, for a flag, `--json-output`."""
    for position, argument in enumerate(arguments):
        if argument.startswith("--"):
            name, assigned, value = argument.removeprefix("--").partition("=")
            if not assigned:
                following = arguments[position + 1 : position + 2]
                value = following[0] if following and not following[0].startswith("--") else "true"
            yield name.upper().replace("-", "_"), value
