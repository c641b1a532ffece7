"""`kubectl tgi status` and `kubectl tgi events`."""

import sys
from datetime import UTC, datetime

import click

from tgi_operator.cli import explanation, machine_output, surroundings, target
from tgi_operator.cli.command_line import Access
from tgi_operator.intake import Object


def status(access: Access, name: str, form: str | None) -> None:
    """Print the state of a resource, its reason, the fix, and what happens next. Raises Failure."""
    explained = target.run(_explained(access, name))
    if form is not None:
        machine_output.write(explained, form)
    else:
        click.echo(explanation.text(explained, datetime.now(UTC)), nl=False)


async def _explained(access: Access, name: str) -> Object:
    async with target.connected(access) as kube:
        resource = await target.resource(kube, access, name)
        return explanation.explain(resource, await surroundings.surroundings(kube, resource), datetime.now(UTC))


def events(access: Access, name: str, form: str | None) -> None:
    """Print the Events of a resource and its pods, oldest first. Raises Failure."""
    found = target.run(_events(access, name))
    if form is not None:
        machine_output.write(found, form)
    elif found:
        rows = explanation.event_rows(found, datetime.now(UTC))
        sys.stdout.writelines(f"{line.strip()}\n" for line in explanation.aligned(rows))
    else:
        sys.stderr.write(f"No Events found for {name}. The cluster keeps Events for a limited time.\n")


async def _events(access: Access, name: str) -> list[Object]:
    async with target.connected(access) as kube:
        resource = await target.resource(kube, access, name)
        found = await surroundings.events(kube, resource)
        return [explanation.event_record(each) for each in explanation.by_time(found)]
