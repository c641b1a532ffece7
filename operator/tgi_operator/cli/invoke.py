"""`tgi-operator invoke`: ask an endpoint something, and print the answer as it comes."""

import asyncio
import json
import sys
from collections.abc import Iterable
from typing import Any

import aiohttp
import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import ConditionType
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.cli import answers
from tgi_operator.intake import Object
from tgi_operator.kube import APIError, Kube, NoClusterError

# A whole answer has 60 s on SageMaker, a stream eight minutes.
_LONGEST_SECONDS = 480
_CONFIG = Config(connect_timeout=5, read_timeout=_LONGEST_SECONDS, retries={"total_max_attempts": 1})


_TAGS = {names.TAG_NAMESPACE: "namespace", names.TAG_NAME: "name", names.TAG_UID: "uid"}
"""Owner tags, and the fields of a resource's metadata that they have."""

_NOT_OWNED = (Reason.NOT_OWNED, Reason.ENDPOINT_NAME_NOT_ALLOWED)


class NotServingError(Exception):
    """The resource is not there, has no endpoint yet, or does not own the endpoint."""


def invoke(namespace: str, name: str, prompt: str, *, chat: bool, stream: bool, max_new_tokens: int) -> int:
    """Print the answer of the TGIEndpoint to `prompt`; return the exit code."""
    body = json.dumps(answers.request(prompt, chat=chat, stream=stream, max_new_tokens=max_new_tokens))
    try:
        asyncio.run(_invoke(namespace, name, body, stream=stream))
    except (APIError, NoClusterError, NotServingError, BotoCoreError, ClientError, aiohttp.ClientError) as error:
        sys.stderr.write(f"tgi-operator: {error}\n")
        return 1
    sys.stdout.write("\n")
    return 0


async def _invoke(namespace: str, name: str, body: str, *, stream: bool) -> None:
    kube = await Kube.connect()
    try:
        resource = await kube.endpoint(namespace, name)
        if resource is None:
            raise NotServingError(f"there is no TGIEndpoint {namespace}/{name}")
        _refuse_not_owned(resource)
        if "inCluster" in resource["spec"]:
            await _ask_pods(kube, resource, body, stream=stream)
        else:
            await asyncio.to_thread(_ask_sagemaker, resource, body, stream=stream)
    finally:
        await kube.close()


async def _ask_pods(kube: Kube, resource: Object, body: str, *, stream: bool) -> None:
    """Print the answer of the pods, reached through the API server: no port has to be open to this machine."""
    if "inCluster" not in resource.get("status", {}):
        raise _no_endpoint(resource)
    meta = resource["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/services/http:{meta['name']}:80/proxy/invocations"
    printer = _Printer(stream=stream)
    async for chunk in kube.exchange(path, body, _LONGEST_SECONDS):
        printer.add(chunk)
    printer.end()


def _ask_sagemaker(resource: Object, body: str, *, stream: bool) -> None:
    """Print the answer of the endpoint on SageMaker."""
    target = resource.get("status", {}).get("sageMaker", {}).get("endpointName")
    if target is None:
        raise _no_endpoint(resource)
    region = resource["spec"]["sageMaker"]["region"]
    _refuse_foreign_endpoint(boto3.client("sagemaker", region_name=region, config=_CONFIG), resource, target)
    client = boto3.client("sagemaker-runtime", region_name=region, config=_CONFIG)
    arguments = {"EndpointName": target, "ContentType": "application/json", "Body": body}
    printer = _Printer(stream=stream)
    if stream:
        for chunk in client.invoke_endpoint_with_response_stream(**arguments)["Body"]:
            printer.add(chunk.get("PayloadPart", {}).get("Bytes", b""))
    else:
        printer.add(client.invoke_endpoint(**arguments)["Body"].read())
    printer.end()


def _refuse_not_owned(resource: Object) -> None:
    """Raise NotServingError where the operator reports that the endpoint is not owned by the resource."""
    for condition in resource.get("status", {}).get("conditions", ()):
        if condition["type"] == ConditionType.READY and condition["reason"] in _NOT_OWNED:
            raise NotServingError(f"{_named(resource)} does not own its endpoint: {condition['message']}")


def _refuse_foreign_endpoint(client: Any, resource: Object, endpoint: str) -> None:
    """Raise NotServingError where the owner tags of an endpoint are not those of the resource.

    The status proves nothing: whoever may write it could have the prompt sent to any endpoint.
    """
    arn = client.describe_endpoint(EndpointName=endpoint)["EndpointArn"]
    pages = client.get_paginator("list_tags").paginate(ResourceArn=arn)
    tags = names.from_list(tag for page in pages for tag in page["Tags"])
    if any(tags.get(tag) != resource["metadata"][field] for tag, field in _TAGS.items()):
        raise NotServingError(f'{_named(resource)} does not own endpoint "{endpoint}": its owner tags are others')


def _named(resource: Object) -> str:
    meta = resource["metadata"]
    return f"{meta['namespace']}/{meta['name']}"


def _no_endpoint(resource: Object) -> NotServingError:
    return NotServingError(
        f"{_named(resource)} has no endpoint yet: see kubectl describe tgi {resource['metadata']['name']}"
    )


class _Printer:
    """Prints an answer: the events of a stream as they come, anything else once it is complete."""

    def __init__(self, *, stream: bool) -> None:
        self._stream = stream
        self._rest = b""

    def add(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._rest += chunk
        if self._stream:
            # A line may be cut anywhere between two chunks.
            whole, _, self._rest = self._rest.rpartition(b"\n")
            self._print(answers.server_sent_events(whole))

    def end(self) -> None:
        """Print what was kept."""
        if not self._stream:
            self._print([json.loads(self._rest)])

    def _print(self, found: Iterable[object]) -> None:
        for answer in found:
            sys.stdout.write(answers.text_of(answer))
            sys.stdout.flush()
