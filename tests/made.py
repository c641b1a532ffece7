"""One object of each kind that the operator creates in a cluster, from a resource with all fields."""

from integration.incluster.test_manifests import EVERYTHING
from tgi_operator.api.spec import Spec
from tgi_operator.api.status import Status
from tgi_operator.backends.incluster.desired import render
from tgi_operator.backends.incluster.desired.autoscaler import Means, autoscaler
from tgi_operator.backends.incluster.desired.monitor import Monitoring, monitor
from tgi_operator.backends.incluster.desired.network_policy import network_policy
from tgi_operator.backends.incluster.desired.strategy import SURGE
from tgi_operator.backends.incluster.kinds import POD_MONITOR, Object
from tgi_operator.backends.plans.schedules import Bounds
from tgi_operator.backends.resource import Owner, Resource

_OWNER = Owner("c-1", "ml", "zephyr-7b", "0f0e0d0c-0000-4000-8000-000000000001")

_AUTOSCALING = {
    "maxReplicas": 4,
    "behavior": {
        "scaleUp": {"stabilizationWindowSeconds": 30, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]},
        "scaleDown": {"selectPolicy": "Min", "policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}]},
    },
}

_MEANS = (Means(custom_metrics=True), Means(keda=True, prometheus="http://prometheus:9090"))
"""A cluster for a HorizontalPodAutoscaler, and one for a ScaledObject."""


def made() -> list[Object]:
    """Return the objects."""
    said = {name: value for name, value in EVERYTHING.items() if name != "replicas"} | {"autoscaling": _AUTOSCALING}
    spec = Spec.model_validate(said)
    assert spec.in_cluster
    assert spec.autoscaling
    resource = Resource(_OWNER, 1, deleting=False, spec=spec, status=Status())
    wanted = render.desired(resource, spec.in_cluster, None, "registry.example/tgi-operator:1")
    assert wanted.claim
    assert wanted.job
    scalers = [autoscaler(_OWNER, spec.autoscaling, Bounds(1, 4), means) for means in _MEANS]
    deployment = wanted.deployment(None, SURGE)
    policy = network_policy(_OWNER, ("gateway", "monitoring"))
    assert policy
    scraped = monitor(_OWNER, spec.in_cluster, Monitoring(POD_MONITOR, {"release": "prometheus"}))
    return [policy, wanted.service, wanted.budget, scraped, wanted.claim, wanted.job, deployment, *scalers]
