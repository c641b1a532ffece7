"""The image of TGI's container."""

from tgi_operator.api.incluster import InCluster
from tgi_operator.api.spec import Spec
from tgi_operator.backends.incluster.desired import names
from tgi_operator.engines.tgi import images
from tgi_operator.hardware.gpus import vendor


def image(spec: Spec, target: InCluster, running: str | None) -> str:
    """Return the named image, or that of the named version, or the running one, or the newest of TGI.

    A spec without a version keeps `running`, so that an upgrade of the operator replaces no pod, unless it is an image
    for the GPUs of another vendor. Raises images.UnknownImageError.
    """
    if spec.runtime.image is not None:
        return spec.runtime.image
    name = vendor(target.gpu.resource_name)
    # TGI has no image for other vendors: `podTemplate` names the image, or the pods have no GPU.
    name = name if name in images.vendors() else images.NVIDIA
    if spec.runtime.version is None and running is not None and images.is_for(running, name):
        return running
    return images.release_image(spec.runtime.version, name)


def names_own(spec: Spec, target: InCluster) -> bool:
    """Return whether the spec names an image, which can be for any hardware."""
    if spec.runtime.image is not None:
        return True
    template = target.pod_template.spec if target.pod_template is not None else None
    containers = template.containers if template is not None else None
    return any(each.name == names.CONTAINER and each.image is not None for each in containers or ())
