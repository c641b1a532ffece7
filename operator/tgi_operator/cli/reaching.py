"""`kubectl tgi url` and `kubectl tgi logs`."""

import sys

from tgi_operator.api.identifiers import log_group
from tgi_operator.cli import resource_fields as fields
from tgi_operator.cli import surroundings, target
from tgi_operator.cli.command_line import Access, Failure
from tgi_operator.intake import Object
from tgi_operator.kube import APIError

_SIGNED = "You must sign requests to this URL with AWS Signature Version 4 for the sagemaker service.\n"


def url(access: Access, name: str) -> None:
    """Print the URL for requests. Raises Failure if there is none yet."""
    resource = target.run(_resource(access, name))
    found = fields.status(resource).get("url")
    if not found:
        raise Failure(f"{fields.named(resource)} has no URL yet; for details, run kubectl tgi status {name}")
    if not fields.is_in_cluster(resource):
        sys.stderr.write(_SIGNED)
    sys.stdout.write(f"{found}\n")


async def _resource(access: Access, name: str) -> Object:
    async with target.connected(access) as kube:
        return await target.resource(kube, access, name)


def logs(access: Access, name: str, lines: int) -> None:
    """Print the last lines of each container, or the command that reads them in CloudWatch. Raises Failure."""
    sys.stdout.writelines(target.run(_logs(access, name, lines)))


async def _logs(access: Access, name: str, lines: int) -> list[str]:
    async with target.connected(access) as kube:
        resource = await target.resource(kube, access, name)
        if not fields.is_in_cluster(resource):
            return _cloud_watch(resource)
        found = []
        for pod in await surroundings.pods(kube, resource):
            meta = pod["metadata"]
            for container in (each["name"] for each in pod["spec"]["containers"]):
                try:
                    log = await kube.log(meta["namespace"], meta["name"], container, lines)
                except APIError as error:
                    sys.stderr.write(f"[{meta['name']}/{container}] {error}\n")
                    continue
                found += [f"[{meta['name']}/{container}] {line}\n" for line in log.splitlines()]
    if not found:
        sys.stderr.write(f"No logs found for {fields.named(resource)}; for details, run kubectl tgi status {name}\n")
    return found


def _cloud_watch(resource: Object) -> list[str]:
    endpoint = fields.endpoint_name(resource)
    if endpoint is None:
        raise Failure(f"{fields.named(resource)} has no endpoint yet, so there are no logs")
    group, region = log_group(endpoint), fields.region(resource)
    return [
        f"The logs are in the {group} CloudWatch log group in {region}. To read the logs, run:\n",
        f"aws logs tail {group} --region {region} --since 1h\n",
    ]
