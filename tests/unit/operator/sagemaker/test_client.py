"""AWS calls by boto3: what is asked before a write is sent. Nothing listens where they go."""

import pytest

from tgi_operator.backends.sagemaker.aws.client import SageMakerAPI
from tgi_operator.backends.sagemaker.aws.errors import AWSError
from tgi_operator.leadership.fence import NotLeadingError


class Guard:
    """Lets some calls through."""

    def __init__(self, lets_through: int) -> None:
        self.left = lets_through
        self.asked = 0

    def __call__(self) -> None:
        self.asked += 1
        self.left -= 1
        if self.left < 0:
            raise NotLeadingError("not any more")


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("operation", ["DeleteModel", "DeregisterScalableTarget"])
@pytest.mark.parametrize("lets_through", [0, 1, 2])
async def test_each_try_of_a_write_is_asked_for(operation: str, lets_through: int) -> None:
    guard = Guard(lets_through)
    api = SageMakerAPI(5, 5, guard)
    request = {
        "DeleteModel": {"ModelName": "falcon"},
        "DeregisterScalableTarget": {
            "ServiceNamespace": "sagemaker",
            "ResourceId": "endpoint/falcon/variant/AllTraffic",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        },
    }[operation]
    with pytest.raises(NotLeadingError):
        await api.call("eu-west-1", operation, request)
    assert guard.asked == lets_through + 1
    await api.close()


async def test_reads_are_not_asked_for() -> None:
    guard = Guard(0)
    api = SageMakerAPI(5, 5, guard)
    with pytest.raises(AWSError):
        await api.call("eu-west-1", "DescribeModel", {"ModelName": "falcon"})
    assert guard.asked == 0
    await api.close()
