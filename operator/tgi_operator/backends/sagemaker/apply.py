"""Applies the steps of a plan: ownership checks before deletion, and handling of existing objects."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tgi_operator.backends.sagemaker.aws.client import Calls
from tgi_operator.backends.sagemaker.aws.errors import AWSError, Meaning
from tgi_operator.backends.sagemaker.aws.gateway import Gateway
from tgi_operator.backends.sagemaker.aws.operations import OPERATIONS, Part, Purpose
from tgi_operator.backends.sagemaker.decide.situation import Situation
from tgi_operator.backends.sagemaker.decide.steps import Step
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.backends.sagemaker.part_reads import NAME_FIELDS, read_part
from tgi_operator.backends.sagemaker.seen.state import Listed
from tgi_operator.backends.sagemaker.sweep.endpoints import EndpointSweep


class Applier:
    """Makes the calls that steps describe."""

    def __init__(self, gateway: Gateway, endpoints: EndpointSweep) -> None:
        self._gateway = gateway
        self._endpoints = endpoints

    async def apply(self, situation: Situation, step: Step) -> None:
        """Make one call. Raises AWSError, without the Hub token that AWS may quote from a request."""
        try:
            await self._call(situation, step)
        except AWSError as error:
            token = situation.rendered.token if situation.rendered is not None else None
            raise error.without(token) from None

    async def _call(self, situation: Situation, step: Step) -> None:
        operation = OPERATIONS[step.operation]
        removes = operation.part if operation.purpose is Purpose.REMOVAL else None
        if removes is not None:
            with _as_error_of(step):
                if not await self._may_be_deleted(situation, step, removes):
                    return
        try:
            await self._aws(situation).call(situation.place.scope, step.operation, step.request)
        except AWSError as error:
            if error.meaning not in step.tolerated:
                raise
            if error.meaning is Meaning.ALREADY_EXISTS and operation.part is not None:
                with _as_error_of(step):
                    await self._take_existing(situation, step, operation.part, error)
        followed = self._endpoints.followed(situation.resource.key)
        if operation.leads_to is not None and followed is not None:
            followed.saw(Listed(operation.leads_to, ""))

    async def _take_existing(self, situation: Situation, step: Step, part: Part, error: AWSError) -> None:
        """Accept an existing object as the result of a step, if it carries our tags. Raises AWSError if it does not.

        An unused configuration is replaced if it is a placeholder, or if an earlier attempt created it for another
        instance count: an update with it would shrink the endpoint.
        """
        scope, name = situation.place.scope, str(step.request[NAME_FIELDS[part]])
        described, tags = await read_part(self._aws(situation), scope, part, name)
        if tags is None:
            raise AWSError(
                Meaning.MODEL_NOT_FOUND, step.operation, error.code, "the object exists but cannot be read yet"
            )
        if not names.is_owned(tags, situation.resource.owner):
            raise AWSError(Meaning.NOT_OWNED, step.operation, error.code, error.message)
        in_use = situation.endpoint is not None and situation.endpoint.config_name == name
        outdated = names.TAG_STAND_IN in tags or _count(described) != _count(step.request)
        if part is Part.CONFIG and outdated and not in_use:
            await self._aws(situation).call(scope, "DeleteEndpointConfig", {"EndpointConfigName": name})
            await self._aws(situation).call(scope, step.operation, step.request)

    async def _may_be_deleted(self, situation: Situation, step: Step, part: Part) -> bool:
        """Return whether a model or configuration exists and is ours.

        Shortly after one of our requests, an object that seems to be missing is deleted anyway: it may exist, and only
        the operator uses its name. Raises AWSError if its tags cannot be read yet.
        """
        name = str(step.request[NAME_FIELDS[part]])
        _, tags = await read_part(self._aws(situation), situation.place.scope, part, name)
        if tags is None:
            return situation.settling
        if names.is_owned(tags, situation.resource.owner):
            return True
        if situation.settling and not names.is_claimed(tags):
            raise AWSError(Meaning.MODEL_NOT_FOUND, step.operation, "NotFound", "the object's tags cannot be read yet")
        return False

    def _aws(self, situation: Situation) -> Calls:
        return self._gateway.caller(situation.resource.owner.namespace)


@contextmanager
def _as_error_of(step: Step) -> Iterator[None]:
    """Raise the AWSError of a call for a step as an error of the step, whose purpose determines the remedy."""
    try:
        yield
    except AWSError as error:
        if error.operation == step.operation:
            raise
        text = f"{error.operation}: {error.message}"
        raise AWSError(error.meaning, step.operation, error.code, text) from None


def _count(config: Mapping[str, object]) -> object:
    """Return the instance count of a configuration, or None for anything else."""
    variants = config.get("ProductionVariants")
    return variants[0].get("InitialInstanceCount") if isinstance(variants, list) and variants else None
