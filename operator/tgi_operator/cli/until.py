"""`kubectl tgi wait` and `kubectl tgi retry`: wait until the operator has acted."""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import aiohttp

from tgi_operator.api.identifiers import REQUEST_ANNOTATION
from tgi_operator.api.times import rfc3339_exact
from tgi_operator.cli import resource_fields as fields
from tgi_operator.cli import target
from tgi_operator.cli.command_line import Access, Failure
from tgi_operator.exit_codes import ExitCode
from tgi_operator.intake import Object
from tgi_operator.kube import APIError, Kube

_INTERVAL = 1.0
"""Seconds between two reads of the resource."""


def wait(access: Access, name: str, condition: str, timeout: float) -> None:
    """Wait until the resource has the condition for its present spec. Raises Failure, at once if it is Stalled."""
    resource = target.run(_waited(access, name, condition, timeout))
    found = fields.condition(resource, condition) or {}
    sys.stdout.write(f"{fields.named(resource)} is {condition}: {found.get('message')}\n")


async def _waited(access: Access, name: str, condition: str, seconds: float) -> Object:
    async with target.connected(access) as kube:
        return await _until(kube, access, name, lambda resource: has(resource, condition), seconds)


def has(resource: Object, condition: str) -> bool:
    """Return whether the condition is True for the present spec and the last request.

    Raises Failure if the resource is Stalled, so that it needs a change.
    """
    if not fields.is_current(resource) or fields.is_request_pending(resource):
        return False
    if fields.is_true(resource, condition):
        return True
    stalled = fields.condition(resource, "Stalled")
    if stalled is not None and stalled["status"] == "True":
        named = fields.named(resource)
        message = f"{named} is Stalled: {stalled['reason']}: {stalled['message']}"
        raise Failure(f"{message}\nFor details, run {_explain(resource)}", ExitCode.STALLED)
    return False


def retry(access: Access, name: str, timeout: float) -> None:
    """Request another attempt, and wait until the operator has acted on it. Raises Failure."""
    resource = target.run(_retried(access, name, timeout))
    main = fields.condition(resource, "Ready") or {}
    sys.stdout.write(
        f"The operator acted on the request for {fields.named(resource)}: {main.get('reason')}: {main.get('message')}\n"
    )


async def _retried(access: Access, name: str, seconds: float) -> Object:
    async with target.connected(access) as kube:
        resource = await target.resource(kube, access, name)
        await kube.annotate(
            resource["metadata"]["namespace"], name, {REQUEST_ANNOTATION: rfc3339_exact(datetime.now(UTC))}
        )
        return await _until(kube, access, name, lambda resource: not fields.is_request_pending(resource), seconds)


async def _until(kube: Kube, access: Access, name: str, done: Callable[[Object], bool], seconds: float) -> Object:
    """Return the resource once it is `done`. Raises Failure after this many seconds."""
    last: Object | None = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    last = await target.resource(kube, access, name)
                except (APIError, aiohttp.ClientError) as error:
                    # A restart of the API server does not end a wait in progress.
                    if last is None or not _may_pass(error):
                        raise
                else:
                    if done(last):
                        return last
                await asyncio.sleep(_INTERVAL)
    except TimeoutError:
        raise Failure(_timed_out(name, last, seconds), ExitCode.TIMED_OUT) from None


def _may_pass(error: Exception) -> bool:
    return not isinstance(error, APIError) or error.status == 429 or error.status >= 500


def _timed_out(name: str, resource: Object | None, seconds: float) -> str:
    if resource is None:
        return f"{name}: the API server did not respond within {_duration(seconds)}"
    ready = fields.condition(resource, "Ready")
    state = f"{ready['reason']}: {ready['message']}" if ready else "the operator has not reported on the resource"
    return (
        f"{fields.named(resource)}: timed out after {_duration(seconds)}: {state}\n"
        f"For details, run {_explain(resource)}"
    )


def _duration(seconds: float) -> str:
    return f"{seconds:g} {'second' if seconds == 1 else 'seconds'}"


def _explain(resource: Object) -> str:
    meta = resource["metadata"]
    return f"kubectl tgi status {meta['name']} -n {meta['namespace']}"
