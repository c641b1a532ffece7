"""`tgi-operator invoke` sends a prompt only to an endpoint that the resource owns."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tgi_operator.backends.resource import Owner
from tgi_operator.backends.sagemaker.desired import names
from tgi_operator.cli.main import main
from tgi_operator.kube import Kube

ENDPOINT = "ml-victim-0123456789ab"
META = {"namespace": "ml", "name": "victim", "uid": "u-1"}
RESOURCE = {
    "metadata": META,
    "spec": {"sageMaker": {"region": "eu-west-1"}},
    "status": {"sageMaker": {"endpointName": ENDPOINT}, "conditions": [{"type": "Ready", "reason": "InService"}]},
}
OWNED = names.owner_tags(Owner("c-1", "ml", "victim", "u-1"))


class Client:
    """SageMaker with one endpoint, and its runtime."""

    def __init__(self, tags: dict[str, str]) -> None:
        self.pages = [{"Tags": [each]} for each in names.to_list(tags)] or [{"Tags": []}]
        self.prompts: list[str] = []

    def describe_endpoint(self, EndpointName: str) -> dict[str, str]:  # noqa: N803 - boto3's name for it
        return {"EndpointArn": f"arn:aws:sagemaker:eu-west-1:111122223333:endpoint/{EndpointName}"}

    def get_paginator(self, _: str) -> "Client":
        return self

    def paginate(self, ResourceArn: str) -> list[Any]:  # noqa: N803 - boto3's name for it
        assert ResourceArn.endswith(ENDPOINT)
        return self.pages

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.prompts.append(request["Body"])
        return {"Body": Body()}


class Body:
    """The answer."""

    def read(self) -> bytes:
        return b'[{"generated_text": "Hello."}]'


class Cluster:
    """A cluster with one resource."""

    def __init__(self, resource: dict[str, Any]) -> None:
        self.resource = resource
        self.paths: list[str] = []

    async def endpoint(self, *_: str) -> dict[str, Any]:
        return self.resource

    async def exchange(self, path: str, *_: object) -> Any:
        self.paths.append(path)
        yield Body().read()

    async def close(self) -> None:
        pass


def ask(monkeypatch: pytest.MonkeyPatch, resource: dict[str, Any], tags: dict[str, str]) -> tuple[int, Client, Cluster]:
    """Return exit code, AWS and cluster after a prompt."""
    client, cluster = Client(tags), Cluster(resource)

    async def connect(**_: object) -> Cluster:
        return cluster

    monkeypatch.setattr(Kube, "connect", connect)
    monkeypatch.setattr(boto3, "client", lambda *_, **__: client)
    return main(["invoke", "-n", "ml", "victim", "Secret?", "--no-stream"]), client, cluster


def test_a_prompt_goes_to_an_endpoint_with_the_tags_of_the_resource(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, client, _ = ask(monkeypatch, RESOURCE, OWNED)
    assert code == 0
    assert len(client.prompts) == 1
    assert "Hello." in capsys.readouterr().out


@pytest.mark.parametrize(
    "tags",
    [
        {},
        OWNED | {names.TAG_NAMESPACE: "evil"},
        OWNED | {names.TAG_NAME: "steal"},
        OWNED | {names.TAG_UID: "u-2"},
        {key: value for key, value in OWNED.items() if key != names.TAG_UID},
    ],
    ids=["none", "another namespace", "another name", "another uid", "no uid"],
)
def test_no_prompt_goes_to_an_endpoint_with_other_tags(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tags: dict[str, str]
) -> None:
    code, client, _ = ask(monkeypatch, RESOURCE, tags)
    assert code == 1
    assert client.prompts == []
    assert f'ml/victim does not own endpoint "{ENDPOINT}"' in capsys.readouterr().err


@pytest.mark.parametrize("reason", ["NotOwned", "EndpointNameNotAllowed"])
@pytest.mark.parametrize("backend", ["sageMaker", "inCluster"])
def test_no_prompt_is_sent_where_the_operator_reports_another_owner(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], backend: str, reason: str
) -> None:
    condition = {"type": "Ready", "reason": reason, "message": "It is another's."}
    status = {"sageMaker": {"endpointName": ENDPOINT}, "inCluster": {"serviceName": "x"}, "conditions": [condition]}
    resource = {"metadata": META, "spec": {backend: {"region": "eu-west-1"}}, "status": status}
    code, client, cluster = ask(monkeypatch, resource, OWNED)
    assert code == 1
    assert client.prompts == []
    assert cluster.paths == []
    assert "ml/victim does not own its endpoint: It is another's." in capsys.readouterr().err


def test_the_service_of_pods_has_the_name_of_the_resource_whatever_the_status_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resource = {"metadata": META, "spec": {"inCluster": {}}, "status": {"inCluster": {"serviceName": "evil"}}}
    code, _, cluster = ask(monkeypatch, resource, {})
    assert code == 0
    assert cluster.paths == ["/api/v1/namespaces/ml/services/http:victim:80/proxy/invocations"]


@pytest.mark.parametrize("backend", ["sageMaker", "inCluster"])
def test_where_nothing_serves_the_reason_is_shown_and_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], backend: str
) -> None:
    conditions = [
        {"type": "Ready", "status": "False", "reason": "ContainerNotHealthy", "message": "The ping failed."},
        {"type": "Available", "status": "False", "reason": "NotServing", "message": "No instance accepts requests."},
    ]
    status = {"sageMaker": {"endpointName": ENDPOINT}, "inCluster": {"serviceName": "x"}, "conditions": conditions}
    resource = {"metadata": META, "spec": {backend: {"region": "eu-west-1"}}, "status": status}
    code, client, cluster = ask(monkeypatch, resource, OWNED)
    assert (code, client.prompts, cluster.paths) == (1, [], [])
    assert capsys.readouterr().err == (
        "tgi-operator: ml/victim is not accepting requests: ContainerNotHealthy: The ping failed.\n"
        "For details, run kubectl tgi status victim -n ml\n"
    )


def test_a_resource_that_serves_its_former_spec_is_sent_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    conditions = [
        {"type": "Ready", "status": "False", "reason": "Updating", "message": "Rolling out."},
        {"type": "Available", "status": "True", "reason": "Serving", "message": "The endpoint accepts requests."},
    ]
    status = {"sageMaker": {"endpointName": ENDPOINT}, "conditions": conditions}
    code, client, _ = ask(monkeypatch, {**RESOURCE, "status": status}, OWNED)
    assert (code, len(client.prompts)) == (0, 1)


def test_errors_of_aws_name_the_endpoint(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: object, **__: object) -> dict[str, str]:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "No."}}, "DescribeEndpoint")

    monkeypatch.setattr(Client, "describe_endpoint", refuse)
    code, client, _ = ask(monkeypatch, RESOURCE, OWNED)
    assert (code, client.prompts) == (1, [])
    assert capsys.readouterr().err.startswith(f'tgi-operator: endpoint "{ENDPOINT}" in eu-west-1: An error occurred')
