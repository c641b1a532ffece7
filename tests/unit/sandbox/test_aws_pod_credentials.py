"""Credentials of pods: IAM roles for service accounts, EKS Pod Identity, and the permissions of their roles."""

from __future__ import annotations

import base64
import json
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from tgi_sandbox.aws import tokens
from tgi_sandbox.aws.server import AwsDouble
from tgi_sandbox.aws.trust import Principal, trusts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.client import BaseClient

ISSUER = "https://oidc.eks.us-east-1.amazonaws.com/id/TEST"
HOST = ISSUER.removeprefix("https://")
PROVIDER = f"arn:aws:iam::111122223333:oidc-provider/{HOST}"
ROLE = "arn:aws:iam::111122223333:role/operator"
SUBJECT = "system:serviceaccount:tgi-system:tgi-operator"
STS, PODS = "sts.amazonaws.com", "pods.eks.amazonaws.com"
READS = {"Effect": "Allow", "Action": "sagemaker:ListEndpoints", "Resource": "*"}

IRSA = {
    "Effect": "Allow",
    "Principal": {"Federated": PROVIDER},
    "Action": "sts:AssumeRoleWithWebIdentity",
    "Condition": {"StringEquals": {f"{HOST}:aud": STS, f"{HOST}:sub": SUBJECT}},
}
POD_IDENTITY = {
    "Effect": "Allow",
    "Principal": {"Service": PODS},
    "Action": ["sts:AssumeRole", "sts:TagSession"],
}


JSON = st.none() | st.integers() | st.lists(st.integers()) | st.fixed_dictionaries({"iss": st.text(), "aud": st.none()})
"""JWT claims with missing entries."""


def _jwt(claims: Any) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.x"


def token(audience: str, subject: str = SUBJECT, issuer: str = ISSUER, seconds: float = 60) -> str:
    return _jwt({"iss": issuer, "sub": subject, "aud": [audience], "exp": time.time() + seconds})


@pytest.fixture(scope="module")
def started() -> Iterator[AwsDouble]:
    with AwsDouble(clock="manual") as double:
        yield double


@pytest.fixture
def double(started: AwsDouble) -> AwsDouble:
    started.control.reset()
    started.control.cluster("test", ISSUER)
    return started


def client_of(double: AwsDouble, service: str, keys: dict[str, str] | None = None) -> Any:
    keys = keys or {"AccessKeyId": "sandbox", "SecretAccessKey": "sandbox", "SessionToken": "sandbox"}
    return boto3.client(
        service,
        endpoint_url=double.address,
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys.get("SessionToken") or keys["Token"],
        config=Config(retries={"total_max_attempts": 1}),
    )


def make_role(double: AwsDouble, trust: dict[str, Any], *policies: dict[str, Any]) -> None:
    iam = client_of(double, "iam")
    document = {"Version": "2012-10-17", "Statement": [trust]}
    iam.create_role(RoleName="operator", AssumeRolePolicyDocument=json.dumps(document))
    for number, statement in enumerate(policies):
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName="operator", PolicyName=f"p{number}", PolicyDocument=policy)


def assume(double: AwsDouble, web_token: str) -> dict[str, str]:
    unsigned = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    sts: BaseClient = boto3.client("sts", endpoint_url=double.address, region_name="us-east-1", config=unsigned)
    answer = sts.assume_role_with_web_identity(RoleArn=ROLE, RoleSessionName="pod", WebIdentityToken=web_token)
    keys: dict[str, str] = answer["Credentials"]
    return keys


def refusal(double: AwsDouble, web_token: str) -> str:
    with pytest.raises(ClientError) as refused:
        assume(double, web_token)
    code: str = refused.value.response["Error"]["Code"]
    return code


def agent(double: AwsDouble, pod_token: str) -> dict[str, str]:
    connection = HTTPConnection(double.address.removeprefix("http://"), timeout=10)
    connection.request("GET", "/v1/credentials", headers={"Authorization": pod_token})
    answer: dict[str, str] = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def test_a_role_for_a_service_account_may_do_what_its_policies_allow(double: AwsDouble) -> None:
    make_role(double, IRSA, READS, {**READS, "Action": "sagemaker:DescribeModel"})
    client_of(double, "iam").create_open_id_connect_provider(Url=ISSUER, ClientIDList=[STS])
    sagemaker = client_of(double, "sagemaker", assume(double, token(STS)))
    assert sagemaker.list_endpoints()["Endpoints"] == []
    with pytest.raises(ClientError, match="Could not find"):
        sagemaker.describe_model(ModelName="m")
    told = (
        "User: arn:aws:sts::111122223333:assumed-role/operator/pod is not authorized to perform: sagemaker:DeleteModel"
    )
    with pytest.raises(ClientError, match=told):
        sagemaker.delete_model(ModelName="m")


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"audience": PODS}, "AccessDenied"),
        ({"subject": "system:serviceaccount:tgi-system:default"}, "AccessDenied"),
        ({"issuer": "https://oidc.eks.us-east-1.amazonaws.com/id/OTHER"}, "AccessDenied"),
        ({"seconds": -60}, "ExpiredTokenException"),
    ],
)
def test_a_token_that_the_role_does_not_trust(double: AwsDouble, claims: dict[str, Any], code: str) -> None:
    make_role(double, IRSA, READS)
    client_of(double, "iam").create_open_id_connect_provider(Url=ISSUER, ClientIDList=[STS])
    assert refusal(double, token(**{"audience": STS, **claims})) == code
    assert refusal(double, "nonsense") == "InvalidIdentityToken"


def test_what_has_to_be_there_for_a_web_identity(double: AwsDouble) -> None:
    assert refusal(double, token(STS)) == "AccessDenied", "there is no role"
    make_role(double, IRSA, READS)
    assert refusal(double, token(STS)) == "InvalidIdentityToken", "there is no provider"
    client_of(double, "iam").create_open_id_connect_provider(Url=ISSUER, ClientIDList=["another"])
    assert refusal(double, token(STS)) == "InvalidIdentityToken", "the provider knows another audience"


def test_pod_identity_needs_the_agent_an_association_and_trust(double: AwsDouble) -> None:
    eks, wanted = client_of(double, "eks"), token(PODS)
    assert agent(double, wanted)["message"] == "the add-on eks-pod-identity-agent is not there"
    eks.create_addon(clusterName="test", addonName="eks-pod-identity-agent")
    assert agent(double, wanted)["message"].startswith("no association")
    eks.create_pod_identity_association(
        clusterName="test", namespace="tgi-system", serviceAccount="tgi-operator", roleArn=ROLE
    )
    assert agent(double, wanted)["code"] == "AccessDeniedException", "there is no role"
    make_role(double, POD_IDENTITY, READS)
    assert agent(double, token(STS))["code"] == "InvalidTokenException"
    assert agent(double, token(PODS, seconds=-1))["code"] == "ExpiredTokenException"
    sagemaker = client_of(double, "sagemaker", agent(double, wanted))
    assert sagemaker.list_endpoints()["Endpoints"] == []
    with pytest.raises(ClientError, match="not authorized"):
        sagemaker.list_tags(ResourceArn="arn:aws:sagemaker:us-east-1:111122223333:model/m")


def test_a_role_without_tag_session_is_not_for_pods(double: AwsDouble) -> None:
    eks = client_of(double, "eks")
    eks.create_addon(clusterName="test", addonName="eks-pod-identity-agent")
    eks.create_pod_identity_association(
        clusterName="test", namespace="tgi-system", serviceAccount="tgi-operator", roleArn=ROLE
    )
    make_role(double, {**POD_IDENTITY, "Action": "sts:AssumeRole"}, READS)
    assert agent(double, token(PODS))["code"] == "AccessDeniedException"


def test_associations_are_made_listed_and_taken_away(double: AwsDouble) -> None:
    eks = client_of(double, "eks")
    assert eks.list_clusters()["clusters"] == ["test"]
    assert eks.describe_cluster(name="test")["cluster"]["identity"]["oidc"]["issuer"] == ISSUER
    account = {"clusterName": "test", "namespace": "a", "serviceAccount": "b"}
    made = eks.create_pod_identity_association(**account, roleArn=ROLE)["association"]
    with pytest.raises(ClientError, match="already exists"):
        eks.create_pod_identity_association(**account, roleArn=ROLE)
    assert len(eks.list_pod_identity_associations(clusterName="test", namespace="a")["associations"]) == 1
    assert eks.list_pod_identity_associations(clusterName="test", namespace="b")["associations"] == []
    eks.delete_pod_identity_association(clusterName="test", associationId=made["associationId"])
    assert eks.list_pod_identity_associations(clusterName="test")["associations"] == []
    with pytest.raises(ClientError, match="No cluster found for name: other"):
        eks.describe_cluster(name="other")


def test_an_execution_role_has_to_be_there_and_trust_sagemaker_where_roles_are_made(double: AwsDouble) -> None:
    sagemaker = client_of(double, "sagemaker")

    def create(name: str) -> None:
        sagemaker.create_model(
            ModelName=name,
            PrimaryContainer={"Image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/x:1"},
            ExecutionRoleArn=ROLE,
        )

    create("nobody-has-made-a-role")
    make_role(double, POD_IDENTITY)
    with pytest.raises(ClientError, match="Please ensure that the role exists and that its trust"):
        create("m")
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust["Condition"] = {"StringEquals": {"aws:SourceAccount": "111122223333"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    client_of(double, "iam").update_assume_role_policy(RoleName="operator", PolicyDocument=document)
    create("m")


def test_a_policy_that_is_not_understood_is_no_leave(double: AwsDouble) -> None:
    make_role(double, IRSA, {**READS, "Effect": "Deny"})
    client_of(double, "iam").create_open_id_connect_provider(Url=ISSUER, ClientIDList=[STS])
    sagemaker = client_of(double, "sagemaker", assume(double, token(STS)))
    with pytest.raises(ClientError, match="does not understand the caller's policy: not known: Deny"):
        sagemaker.list_endpoints()


@pytest.mark.parametrize("statement", [{"Effect": "Deny"}, {"NotPrincipal": {}}, {"Condition": {"Bool": {"a": "b"}}}])
def test_trust_that_is_not_known_is_refused(statement: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not known"):
        trusts({"Statement": [{**POD_IDENTITY, **statement}]}, Principal("Service", PODS, {}), "sts:AssumeRole")


@given(st.text() | st.builds("x.{}.y".format, st.text()) | st.builds(_jwt, JSON))
def test_what_is_no_token_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"^no "):
        tokens.read(text)
