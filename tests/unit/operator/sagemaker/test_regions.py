"""The regions that resources can name."""

import pytest

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.sagemaker.aws.client import SageMakerAPI
from tgi_operator.backends.sagemaker.aws.regions import Regions
from tgi_operator.backends.sagemaker.backend import SageMakerBackend
from tgi_operator.kube import Secret
from tgi_operator.settings import Settings


class NoSecrets:
    """A cluster without Secrets."""

    async def secret(self, namespace: str, name: str) -> Secret | None:
        return None


@pytest.mark.parametrize("region", ["eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1"])
def test_every_region_of_every_partition_is_known(region: str) -> None:
    assert Regions(()).problem(region) is None


@pytest.mark.parametrize("region", ["eu-west-9", "aa-bb-1", "us-gov-north-1", "cn-south-1", "aws-global-1", ""])
def test_region_that_does_not_exist_is_a_problem_that_names_field_value_and_what_to_do(region: str) -> None:
    problem = Regions(()).problem(region)
    assert problem is not None
    assert problem.reason is Reason.UNKNOWN_REGION
    assert problem.message.startswith(
        f"spec.sageMaker.region: {region} is not a known AWS region; create a new TGIEndpoint"
    )
    assert "--aws-regions" in problem.message


@pytest.mark.parametrize(
    ("region", "meant"),
    [("us-weast-1", "us-west-1"), ("ap-souteast-1", "ap-southeast-1"), ("eu-centrl-1", "eu-central-1")],
)
def test_misspelled_region_is_answered_with_the_one_that_was_probably_meant(region: str, meant: str) -> None:
    problem = Regions(()).problem(region)
    assert problem is not None
    assert (
        f"{region} is not a known AWS region; did you mean {meant}? Create a new TGIEndpoint in the correct region"
        in problem.message
    )
    assert "--aws-regions" not in problem.message


@pytest.mark.parametrize(
    ("region", "remedy"),
    [
        ("us-east-1", "create a new TGIEndpoint in another region, or ask an administrator to add us-east-1"),
        ("us-weast-1", "create a new TGIEndpoint in another region"),
        ("eu-wesst-1", "did you mean eu-west-1? Create a new TGIEndpoint in the correct region"),
        ("eu-new-9", "another region, or if eu-new-9 is a new AWS region, ask an administrator to add it"),
    ],
)
def test_only_a_region_that_can_exist_is_worth_a_request_to_the_administrators(region: str, remedy: str) -> None:
    problem = Regions(("eu-west-1",)).problem(region)
    assert problem is not None
    assert remedy in problem.message
    assert ("--aws-regions" in problem.message) == ("administrator" in remedy)


def test_setting_adds_regions_and_leaves_out_all_that_it_does_not_name() -> None:
    regions = Regions(("eu-west-1", "eu-new-1"))
    assert [regions.problem(region) for region in ("eu-west-1", "eu-new-1")] == [None, None]
    problem = regions.problem("us-east-1")
    assert problem is not None
    assert "the operator does not allow us-east-1 (allowed: eu-new-1, eu-west-1)" in problem.message


def test_regions_that_do_not_exist_share_a_lane_and_each_other_region_has_its_own() -> None:
    backend = SageMakerBackend(SageMakerAPI(1, lambda: None), Settings(), NoSecrets(), lambda _: None)
    regions = ("eu-west-1", "us-east-1", "aa-bb-1", "aa-bb-2")
    lanes = [backend.lane({"sageMaker": {"region": region}}) for region in regions]
    assert len(set(lanes)) == 3
    assert lanes[2] == lanes[3]
