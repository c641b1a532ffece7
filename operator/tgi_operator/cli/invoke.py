"""`tgi-operator invoke`: ask an endpoint something, and print the answer as it comes."""

import asyncio
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tgi_operator.kube import APIError, Kube, NoClusterError, Object

# A whole answer has 60 s on SageMaker, a stream eight minutes.
_CONFIG = Config(connect_timeout=5, read_timeout=480, retries={"total_max_attempts": 1})


def invoke(namespace: str, name: str, prompt: str, *, chat: bool, stream: bool, max_new_tokens: int) -> int:
    """Print the answer of the TGIEndpoint to `prompt`; return the exit code."""
    try:
        resource = asyncio.run(_read(namespace, name))
    except (NoClusterError, APIError) as error:
        sys.stderr.write(f"tgi-operator: {error}\n")
        return 1
    if resource is None:
        sys.stderr.write(f"tgi-operator: there is no TGIEndpoint {namespace}/{name}\n")
        return 1
    target = (resource.get("status", {}).get("sageMaker") or {}).get("endpointName")
    if target is None:
        sys.stderr.write(f"tgi-operator: {namespace}/{name} has no endpoint yet: see kubectl describe tgi {name}\n")
        return 1
    client = boto3.client("sagemaker-runtime", region_name=resource["spec"]["sageMaker"]["region"], config=_CONFIG)
    body = json.dumps(request(prompt, chat=chat, stream=stream, max_new_tokens=max_new_tokens))
    arguments = {"EndpointName": target, "ContentType": "application/json", "Body": body}
    try:
        if stream:
            chunks = client.invoke_endpoint_with_response_stream(**arguments)["Body"]
            events = server_sent_events(chunk["PayloadPart"]["Bytes"] for chunk in chunks if "PayloadPart" in chunk)
            for event in events:
                sys.stdout.write(text_of(event))
                sys.stdout.flush()
        else:
            sys.stdout.write(text_of(json.loads(client.invoke_endpoint(**arguments)["Body"].read())))
    except (BotoCoreError, ClientError) as error:
        sys.stderr.write(f"tgi-operator: {error}\n")
        return 1
    sys.stdout.write("\n")
    return 0


async def _read(namespace: str, name: str) -> Object | None:
    kube = await Kube.connect()
    try:
        return await kube.endpoint(namespace, name)
    finally:
        await kube.close()


def request(prompt: str, *, chat: bool, stream: bool, max_new_tokens: int) -> dict[str, Any]:
    """Return the body: TGI's own shape for a prompt, OpenAI's for a chat; /invocations tells them apart."""
    if chat:
        messages = [{"role": "user", "content": prompt}]
        return {"messages": messages, "stream": stream, "max_tokens": max_new_tokens}
    parameters = {"max_new_tokens": max_new_tokens, "return_full_text": False}
    return {"inputs": prompt, "parameters": parameters, "stream": stream}


def server_sent_events(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the JSON of each `data:` line; lines may be cut anywhere between two chunks."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            data = line.removeprefix(b"data:").strip()
            if line.startswith(b"data:") and data != b"[DONE]":
                yield json.loads(data)


def text_of(answer: Any) -> str:
    """Return the text in an answer or in one event of a stream. An error inside a stream is its text."""
    if isinstance(answer, list):
        return text_of(answer[0])
    if "error" in answer:
        return f"[{answer.get('error_type', 'error')}: {answer['error']}]"
    if "token" in answer:
        token = answer["token"]
        return "" if token.get("special") else str(token["text"])
    if "choices" in answer:
        choices = answer["choices"] or [{}]
        said = choices[0].get("delta") or choices[0].get("message") or {}
        return str(said.get("content") or "")
    return str(answer["generated_text"])
