"""The steps there are, each one AWS call that may be repeated after any crash."""

from collections.abc import Iterable, Mapping

from tgi_operator.backends.sagemaker.aws.errors import Meaning
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.backends.sagemaker.desired.render import Desired, Place
from tgi_operator.backends.sagemaker.desired.scaling_policies import Request, addressed
from tgi_operator.backends.sagemaker.seen.state import Part, Step

_EXISTS = frozenset({Meaning.ALREADY_EXISTS})
_NO_TARGET = frozenset({Meaning.TARGET_NOT_FOUND})


def create_model(desired: Desired) -> Step:
    """Return the step that makes the revision's model."""
    return Step("CreateModel", desired.create_model(), tolerated=_EXISTS, part=Part.MODEL)


def create_config(desired: Desired, replicas: int) -> Step:
    """Return the step that makes the revision's endpoint configuration."""
    request = desired.create_endpoint_config(replicas)
    return Step("CreateEndpointConfig", request, tolerated=_EXISTS, part=Part.CONFIG)


def create(desired: Desired, replicas: int) -> tuple[Step, ...]:
    """Return the steps from nothing to an endpoint."""
    return (
        create_model(desired),
        create_config(desired, replicas),
        Step("CreateEndpoint", desired.create_endpoint()),
    )


def update(desired: Desired, replicas: int, *, stand_in: str | None = None, broken: bool = False) -> tuple[Step, ...]:
    """Return the steps that roll out a revision on a living endpoint.

    `stand_in` is the name of the configuration it runs, where that was deleted: something of that name is made, as AWS
    does not update an endpoint whose configuration is missing, and a tag says that it is not what it is called after.
    `broken`: the endpoint is in the midst of a rollback that failed, so that "in use" does not mean done.
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
    return Step("CreateEndpointConfig", request, _EXISTS, Part.CONFIG)


def scale(desired: Desired, replicas: int) -> Step:
    """Return the step that changes the number of instances and nothing else."""
    return Step("UpdateEndpointWeightsAndCapacities", desired.scale(replicas))


def delete_endpoint(place: Place) -> Step:
    """Return the step that deletes the endpoint. Only for one whose tags were seen to be ours."""
    gone = frozenset({Meaning.ENDPOINT_NOT_FOUND})
    return Step("DeleteEndpoint", {"EndpointName": place.endpoint}, tolerated=gone)


def delete_sets(place: Place, revisions: Iterable[str]) -> tuple[Step, ...]:
    """Return the steps that delete configurations and models of revisions no endpoint runs."""
    steps = []
    for revision in revisions:
        name = names.set_name(place.endpoint, revision)
        gone = frozenset({Meaning.CONFIG_NOT_FOUND, Meaning.MODEL_NOT_FOUND})
        steps += [
            Step("DeleteEndpointConfig", {"EndpointConfigName": name}, gone, Part.CONFIG),
            Step("DeleteModel", {"ModelName": name}, gone, Part.MODEL),
        ]
    return tuple(steps)


def retag(arn: str, tags: Mapping[str, str], stale: Iterable[str]) -> tuple[Step, ...]:
    """Return the steps that set `tags` and remove the keys `stale` of an object."""
    keys = sorted(stale)
    return (
        *((Step("AddTags", {"ResourceArn": arn, "Tags": names.to_list(tags)}),) if tags else ()),
        *((Step("DeleteTags", {"ResourceArn": arn, "TagKeys": keys}),) if keys else ()),
    )


def register(request: Request) -> Step:
    """Return the step that makes the endpoint a scalable target, or gives it other bounds."""
    return Step("RegisterScalableTarget", request)


def deregister(place: Place) -> Step:
    """Return the step that ends all scaling of the endpoint; policies and scheduled actions go with the target."""
    return Step("DeregisterScalableTarget", addressed(place.endpoint), _NO_TARGET)


def put_policy(request: Request) -> Step:
    """Return the step that makes or changes a scaling policy."""
    return Step("PutScalingPolicy", request)


def delete_policy(place: Place, name: str) -> Step:
    """Return the step that deletes a scaling policy."""
    return Step("DeleteScalingPolicy", {**addressed(place.endpoint), "PolicyName": name}, _NO_TARGET)


def put_action(request: Request) -> Step:
    """Return the step that makes or changes a scheduled action."""
    return Step("PutScheduledAction", request)


def delete_action(place: Place, name: str) -> Step:
    """Return the step that deletes a scheduled action."""
    return Step("DeleteScheduledAction", {**addressed(place.endpoint), "ScheduledActionName": name}, _NO_TARGET)
