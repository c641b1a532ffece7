"""The operator's own pods: the containers that run the operator, and their port. Pure."""

from tgi_sandbox.cluster.network.pod import Container

_IMAGE = "tgi-operator"
_COMMAND = "run"
_PORT = ("TGI_OPERATOR_HTTP_PORT", "8090")


def is_operator(container: Container) -> bool:
    """Whether a container runs the operator, by image name and command: jobs that fetch weights share the image."""
    name = container.spec["image"].rpartition("/")[2].partition("@")[0].partition(":")[0]
    # The image's own command is `run`.
    arguments = container.spec.get("args") or [_COMMAND]
    return name == _IMAGE and not container.spec.get("command") and arguments == [_COMMAND]


def port_of(container: Container) -> int:
    """Return the port of an operator's container."""
    name, default = _PORT
    values = {variable["name"]: variable.get("value") for variable in container.spec.get("env", [])}
    return int(values.get(name) or default)
