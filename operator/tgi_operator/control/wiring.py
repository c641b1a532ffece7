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
    """Return the controller of `cluster`; `guard` is called before each write to AWS."""

    def changed(key: Key) -> None:
        controller.changed(key)

    def known(key: Key) -> bool:
        return controller.knows(key)

    sagemaker = SageMakerBackend.build(settings, kube, changed, guard) if "sageMaker" in settings.backends else None
    in_cluster = _in_cluster(settings, kube, changed, known) if "inCluster" in settings.backends else None
    controller = Controller(settings, kube, cluster, {"sageMaker": sagemaker, "inCluster": in_cluster}, in_cluster)
    return controller


def _in_cluster(
    settings: Settings, kube: Kube, changed: Callable[[Key], None], known: Callable[[Key], bool]
) -> InClusterBackend:
    return InClusterBackend(
        kube,
        changed,
        known,
        settings.image,
        settings.prometheus_address,
        restricted=settings.pod_template == "restricted",
        require_labels=settings.require_labels == "on",
    )


def secret_watch(settings: Settings, kube: Kube, controller: Controller) -> SecretWatch:
    """Return what tells the controller of changed Secrets: of those that a TGIEndpoint may use."""
    selectors = LABELLED if settings.require_labels == "on" else OPAQUE
    return SecretWatch(kube, settings.watch_namespaces, selectors, controller.secret_seen, controller.store.secrets)
