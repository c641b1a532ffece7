"""`tgi-operator invoke` and `kubectl tgi chat`: send prompts to an endpoint, and print the answers as they arrive."""

import asyncio
import json
import sys
from collections.abc import Iterable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import ConditionStatus, ConditionType
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.cli import answers, target
from tgi_operator.cli import resource_fields as fields
from tgi_operator.cli.command_line import Access, Failure
from tgi_operator.intake import Object
from tgi_operator.kube import Kube

# A whole answer can take 60 s on SageMaker, and a stream eight minutes.
_LONGEST_SECONDS = 480
_CONFIG = Config(connect_timeout=5, read_timeout=_LONGEST_SECONDS, retries={"total_max_attempts": 1})

_TAGS = {names.TAG_NAMESPACE: "namespace", names.TAG_NAME: "name", names.TAG_UID: "uid"}
"""Owner tags, and the corresponding fields of a resource's metadata."""

_NOT_OWNED = (Reason.NOT_OWNED, Reason.ENDPOINT_NAME_NOT_ALLOWED)


def invoke(access: Access, name: str, body: Object, *, stream: bool) -> None:
    """Print the answer of the TGIEndpoint to one request. Raises Failure."""
    target.run(_invoke(access, name, body, stream=stream))


async def _invoke(access: Access, name: str, body: Object, *, stream: bool) -> str:
    async with target.connected(access) as kube:
        return await _ask(kube, await target.resource(kube, access, name), body, stream=stream)


def chat(access: Access, name: str, prompts: Iterable[str], max_new_tokens: int) -> None:
    """Print the answer to each prompt of a conversation. The model receives the whole conversation. Raises Failure."""
    messages: list[answers.Message] = []
    # Each prompt has its own event loop. With a common one, Ctrl-C would wait for the end of the line.
    for prompt in prompts:
        messages.append(answers.message("user", prompt))
        body = answers.conversation(messages, stream=True, max_new_tokens=max_new_tokens)
        messages.append(answers.message("assistant", target.run(_invoke(access, name, body, stream=True))))


async def _ask(kube: Kube, resource: Object, body: Object, *, stream: bool) -> str:
    """Print the answer of a TGIEndpoint to a request, and return it. Raises Failure."""
    _refuse_not_owned(resource)
    _refuse_not_serving(resource)
    text = json.dumps(body)
    printer = _Printer(stream=stream)
    if fields.is_in_cluster(resource):
        await _ask_pods(kube, resource, text, printer)
    else:
        await asyncio.to_thread(_ask_sagemaker, resource, text, printer, stream=stream)
    answer = printer.end()
    sys.stdout.write("\n")
    return answer


async def _ask_pods(kube: Kube, resource: Object, body: str, printer: "_Printer") -> None:
    """Print the answer of the pods through the API server: no port has to be open to this machine."""
    if "inCluster" not in fields.status(resource):
        raise _no_endpoint(resource)
    meta = resource["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/services/http:{meta['name']}:80/proxy/invocations"
    async for chunk in kube.exchange(path, body, _LONGEST_SECONDS):
        printer.add(chunk)


def _ask_sagemaker(resource: Object, body: str, printer: "_Printer", *, stream: bool) -> None:
    """Print the answer of the endpoint on SageMaker."""
    endpoint = fields.endpoint_name(resource)
    if endpoint is None:
        raise _no_endpoint(resource)
    region = fields.region(resource)
    arguments = {"EndpointName": endpoint, "ContentType": "application/json", "Body": body}
    try:
        _refuse_foreign_endpoint(boto3.client("sagemaker", region_name=region, config=_CONFIG), resource, endpoint)
        client = boto3.client("sagemaker-runtime", region_name=region, config=_CONFIG)
        if stream:
            for chunk in client.invoke_endpoint_with_response_stream(**arguments)["Body"]:
                printer.add(chunk.get("PayloadPart", {}).get("Bytes", b""))
        else:
            printer.add(client.invoke_endpoint(**arguments)["Body"].read())
    except (BotoCoreError, ClientError) as error:
        raise Failure(f'endpoint "{endpoint}" in {region}: {error}') from None


def _refuse_not_owned(resource: Object) -> None:
    """Raise Failure if the operator reports that the endpoint is not owned by the resource."""
    ready = fields.condition(resource, ConditionType.READY)
    if ready is not None and ready["reason"] in _NOT_OWNED:
        raise Failure(f"{fields.named(resource)} does not own its endpoint: {ready['message']}")


def _refuse_not_serving(resource: Object) -> None:
    """Raise Failure if the operator reports that no instance or pod accepts requests."""
    available = fields.condition(resource, ConditionType.AVAILABLE)
    if available is None or available["status"] != ConditionStatus.FALSE:
        return
    why = fields.condition(resource, ConditionType.READY) or available
    raise Failure(
        f"{fields.named(resource)} is not accepting requests: {why['reason']}: {why['message']}\n{_how(resource)}"
    )


def _refuse_foreign_endpoint(client: Any, resource: Object, endpoint: str) -> None:
    """Raise Failure if the owner tags of an endpoint are not those of the resource.

    The status proves nothing: a user who can write it could have the prompt sent to any endpoint.
    """
    arn = client.describe_endpoint(EndpointName=endpoint)["EndpointArn"]
    pages = client.get_paginator("list_tags").paginate(ResourceArn=arn)
    tags = names.from_list(tag for page in pages for tag in page["Tags"])
    if any(tags.get(tag) != resource["metadata"][field] for tag, field in _TAGS.items()):
        raise Failure(
            f'{fields.named(resource)} does not own endpoint "{endpoint}": the owner tags name another resource'
        )


def _no_endpoint(resource: Object) -> Failure:
    return Failure(f"{fields.named(resource)} has no endpoint yet\n{_how(resource)}")


def _how(resource: Object) -> str:
    meta = resource["metadata"]
    return f"For details, run kubectl tgi status {meta['name']} -n {meta['namespace']}"


class _Printer:
    """Prints an answer: the events of a stream as they arrive, anything else once it is complete."""

    def __init__(self, *, stream: bool) -> None:
        self._stream = stream
        self._rest = b""
        self._text = ""

    def add(self, chunk: bytes) -> None:
        """Process the next bytes."""
        self._rest += chunk
        if self._stream:
            # A line can be cut anywhere between two chunks.
            whole, _, self._rest = self._rest.rpartition(b"\n")
            self._print(answers.server_sent_events(whole))

    def end(self) -> str:
        """Print the stored part, and return the whole answer."""
        if not self._stream:
            self._print([json.loads(self._rest)])
        return self._text

    def _print(self, found: Iterable[object]) -> None:
        for answer in found:
            text = answers.text_of(answer)
            self._text += text
            sys.stdout.write(text)
            sys.stdout.flush()
