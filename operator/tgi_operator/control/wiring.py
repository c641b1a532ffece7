"""The controller of a running operator, with the real backends."""

from collections.abc import Callable

from tgi_operator.backends.incluster.backend import InClusterBackend
from tgi_operator.backends.keys import Key
from tgi_operator.backends.sagemaker.backend import SageMakerBackend
from tgi_operator.control.controller import Controller
from tgi_operator.control.secret_watch import LABELLED, OPAQUE, SecretWatch
from tgi_operator.kube import Kube
from tgi_operator.settings import Settings


def build(settings: Settings, kube: Kube, cluster: str, guard: Callable[[], None]) -> Controller:
    """Return the controller of `cluster`. `guard` is called before each write to AWS."""

    def changed(key: Key) -> None:
        controller.changed(key)

    def known(key: Key) -> bool:
        return controller.knows(key)

    sagemaker = SageMakerBackend.build(settings, kube, changed, guard) if "sageMaker" in settings.backends else None
    in_cluster = InClusterBackend(kube, settings, changed, known) if "inCluster" in settings.backends else None
    controller = Controller(settings, kube, cluster, {"sageMaker": sagemaker, "inCluster": in_cluster}, in_cluster)
    return controller


def secret_watch(settings: Settings, kube: Kube, controller: Controller) -> SecretWatch:
    """Return the watch that reports to the controller each change to a Secret that TGIEndpoints are allowed to use."""
    selectors = LABELLED if settings.require_labels == "on" else OPAQUE
    return SecretWatch(kube, settings.watch_namespaces, selectors, controller.secret_seen, controller.store.secrets)
