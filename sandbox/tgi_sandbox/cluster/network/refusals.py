"""Pods whose TGI launcher would refuse to start: they are set to crash, with the launcher's message in their log."""

from tgi_sandbox.cluster.network.environment import environment
from tgi_sandbox.cluster.network.pod import Pod
from tgi_sandbox.cluster.script import Outcome, annotations
from tgi_sandbox.tgi import launcher
from tgi_sandbox.tgi.errors import LauncherError


def verdict(pod: Pod) -> dict[str, str]:
    """Return the annotations of a pod that would crash; none for other pods, or if the user has decided."""
    if pod.script("outcome") is not None:
        return {}
    refused = next(filter(None, map(_refusal, _environments(pod))), None)
    if refused is None:
        return {}
    return annotations(Outcome.CRASH_LOOP, exit_code=refused.exit_code, logs=str(refused))


def _environments(pod: Pod) -> list[dict[str, str]]:
    # The value of a secret makes no difference to the launcher, but its presence does.
    found = [environment(container, lambda name, key: f"{name}/{key}") for container in pod.containers]
    return [env for env in found if env is not None]


def _refusal(env: dict[str, str]) -> LauncherError | None:
    try:
        launcher.check(env, int(env["SANDBOX_GPUS"]))
    except LauncherError as error:
        return error
    return None
