"""The steps: each is one AWS call that is safe to repeat after any crash."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tgi_operator.backends.sagemaker.aws.errors import Meaning
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.backends.sagemaker.desired.places import Place
from tgi_operator.backends.sagemaker.desired.render import Desired
from tgi_operator.backends.sagemaker.desired.scaling_policies import Request, addressed


@dataclass(frozen=True)
class Step:
    """One AWS call. `tolerated` are refusals that mean that the step is already done."""

    operation: str
    request: Mapping[str, Any] = field(repr=False)
    tolerated: frozenset[Meaning] = frozenset()


_EXISTS = frozenset({Meaning.ALREADY_EXISTS})
_NO_TARGET = frozenset({Meaning.TARGET_NOT_FOUND})


def create_model(desired: Desired) -> Step:
    """Return the step that creates the revision's model."""
    return Step("CreateModel", desired.create_model(), tolerated=_EXISTS)


def create_config(desired: Desired, replicas: int) -> Step:
    """Return the step that creates the revision's endpoint configuration."""
    request = desired.create_endpoint_config(replicas)
    return Step("CreateEndpointConfig", request, tolerated=_EXISTS)


def create(desired: Desired, replicas: int) -> tuple[Step, ...]:
    """Return the steps that create an endpoint."""
    return (
        create_model(desired),
        create_config(desired, replicas),
        Step("CreateEndpoint", desired.create_endpoint()),
    )


def update(desired: Desired, replicas: int, *, stand_in: str | None = None, broken: bool = False) -> tuple[Step, ...]:
    """Return the steps that roll out a revision on a live endpoint.

    `stand_in` is the name of the live configuration if that has been deleted. AWS does not update an endpoint whose
    configuration is missing, so a placeholder with a special tag takes its name. `broken` means that a rollback of the
    endpoint failed halfway, so that "in use" does not mean done.
    """
    return (
        create_model(desired),
        create_config(desired, replicas),
        *((_stand_in(desired, replicas, stand_in),) if stand_in else ()),
        Step(
            "UpdateEndpoint",
            desired.update_endpoint(),
            tolerated=frozenset() if broken else frozenset({Meaning.CONFIG_IN_USE}),
        ),
    )


def _stand_in(desired: Desired, replicas: int, name: str) -> Step:
    tags = names.to_list({**desired.tags, names.TAG_STAND_IN: "true"})
    request = desired.create_endpoint_config(replicas) | {"EndpointConfigName": name, "Tags": tags}
    return Step("CreateEndpointConfig", request, _EXISTS)


def scale(desired: Desired, replicas: int) -> Step:
    """Return the step that changes only the instance count."""
    return Step("UpdateEndpointWeightsAndCapacities", desired.scale(replicas))


def delete_endpoint(place: Place) -> Step:
    """Return the step that deletes the endpoint. Only for an endpoint whose tags were found to be ours."""
    gone = frozenset({Meaning.ENDPOINT_NOT_FOUND})
    return Step("DeleteEndpoint", {"EndpointName": place.endpoint}, tolerated=gone)


def delete_sets(place: Place, revisions: Iterable[str]) -> tuple[Step, ...]:
    """Return the steps that delete configurations and models of revisions that no endpoint runs."""
    steps = []
    for revision in revisions:
        name = names.set_name(place.endpoint, revision)
        gone = frozenset({Meaning.CONFIG_NOT_FOUND, Meaning.MODEL_NOT_FOUND})
        steps += [
            Step("DeleteEndpointConfig", {"EndpointConfigName": name}, gone),
            Step("DeleteModel", {"ModelName": name}, gone),
        ]
    return tuple(steps)


def retag(arn: str, tags: Mapping[str, str], stale: Iterable[str]) -> tuple[Step, ...]:
    """Return the steps that remove the `stale` keys of an object and set `tags`.

    The removal comes first: AWS allows 50 tags, and all keys can be renamed together.
    """
    keys = sorted(stale)
    return (
        *((Step("DeleteTags", {"ResourceArn": arn, "TagKeys": keys}),) if keys else ()),
        *((Step("AddTags", {"ResourceArn": arn, "Tags": names.to_list(tags)}),) if tags else ()),
    )


def register(request: Request) -> Step:
    """Return the step that makes the endpoint a scalable target, or changes its bounds."""
    return Step("RegisterScalableTarget", request)


def deregister(place: Place) -> Step:
    """Return the step that ends all scaling of the endpoint, including policies and scheduled actions."""
    return Step("DeregisterScalableTarget", addressed(place.endpoint), _NO_TARGET)


def put_policy(request: Request) -> Step:
    """Return the step that creates or changes a scaling policy."""
    return Step("PutScalingPolicy", request)


def delete_policy(place: Place, name: str) -> Step:
    """Return the step that deletes a scaling policy."""
    return Step("DeleteScalingPolicy", {**addressed(place.endpoint), "PolicyName": name}, _NO_TARGET)


def put_action(request: Request) -> Step:
    """Return the step that creates or changes a scheduled action."""
    return Step("PutScheduledAction", request)


def delete_action(place: Place, name: str) -> Step:
    """Return the step that deletes a scheduled action."""
    return Step("DeleteScheduledAction", {**addressed(place.endpoint), "ScheduledActionName": name}, _NO_TARGET)
