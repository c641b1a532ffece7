"""The image catalog, in every region of every AWS partition."""

import re
from typing import Any

import pytest
from botocore.session import get_session

from tgi_operator.engines.tgi import images

PARTITIONS: list[dict[str, Any]] = get_session().get_data("partitions")["partitions"]
REGIONS: list[str] = list(images.catalogue()["registries"])
VERSIONS: list[str] = list(images.catalogue()["versions"])

NEWEST = "huggingface-pytorch-tgi-inference:2.7.0-tgi3.3.6-gpu-py311-cu124-ubuntu22.04"


def botocore_partition(region: str) -> dict[str, Any]:
    return next(one for one in PARTITIONS if region in one["regions"] or re.match(one["regionRegex"], region))


@pytest.mark.parametrize("region", REGIONS)
def test_region_is_in_the_partition_and_domain_that_botocore_says(region: str) -> None:
    expected = botocore_partition(region)
    assert images.partition(region) == expected["id"]
    assert images.dns_suffix(region) == expected["outputs"]["dnsSuffix"]


def test_every_partition_is_known_by_its_regions() -> None:
    """Including those without images: roles and URLs use them."""
    for partition in PARTITIONS:
        for region in partition["regions"]:
            if not region.endswith("-global"):
                assert images.partition(region) == partition["id"]
                assert images.dns_suffix(region) == partition["outputs"]["dnsSuffix"]


@pytest.mark.parametrize(
    ("region", "registry"),
    [
        pytest.param("us-east-1", "763104351884.dkr.ecr.us-east-1.amazonaws.com", id="most regions share an account"),
        pytest.param("af-south-1", "626614931356.dkr.ecr.af-south-1.amazonaws.com", id="an opt-in region"),
        pytest.param("cn-north-1", "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn", id="China"),
        pytest.param("us-gov-west-1", "442386744353.dkr.ecr.us-gov-west-1.amazonaws.com", id="GovCloud"),
        pytest.param("eusc-de-east-1", "204133271717.dkr.ecr.eusc-de-east-1.amazonaws.eu", id="the European cloud"),
        pytest.param("us-iso-east-1", "886529160074.dkr.ecr.us-iso-east-1.c2s.ic.gov", id="ISO"),
        pytest.param("us-isob-east-1", "094389454867.dkr.ecr.us-isob-east-1.sc2s.sgov.gov", id="ISOB"),
    ],
)
def test_image_of_a_region(region: str, registry: str) -> None:
    assert images.image("3.3.6", region) == f"{registry}/{NEWEST}"


@pytest.mark.parametrize("version", VERSIONS)
def test_tag_tells_the_version_and_its_cuda(version: str) -> None:
    image = images.image(version, "eu-west-1")
    assert images.tgi_version(image) == tuple(map(int, version.split(".")))
    cuda = images.cuda_version(image)
    assert cuda is not None
    assert (11, 8) <= cuda < (13, 0)


@pytest.mark.parametrize("minor", sorted({version.rpartition(".")[0] for version in VERSIONS}))
def test_minor_version_stands_for_its_newest_patch(minor: str) -> None:
    newest = max(tuple(map(int, version.split("."))) for version in VERSIONS if version.startswith(f"{minor}."))
    assert images.tgi_version(images.image(minor, "eu-west-1")) == newest


def test_newest_version_is_the_newest_by_number_and_not_by_spelling() -> None:
    assert images.newest_version() == "3.3.6"
    assert images.image("3.3", "eu-west-1") == images.image(images.newest_version(), "eu-west-1")


@pytest.mark.parametrize(
    ("version", "region", "text"),
    [
        pytest.param("3.3.7", "eu-west-1", "TGI 3.3.7 is not in the catalog; use one of 0.6.0, ", id="no such version"),
        pytest.param("3.3.6", "sa-west-1", "AWS publishes no TGI image in sa-west-1", id="no such region"),
    ],
)
def test_unknown_image_says_what_there_is(version: str, region: str, text: str) -> None:
    with pytest.raises(images.UnknownImageError, match=re.escape(text)):
        images.image(version, region)


@pytest.mark.parametrize(
    ("uri", "version", "cuda"),
    [
        pytest.param(f"763104351884.dkr.ecr.eu-west-1.amazonaws.com/{NEWEST}", (3, 3, 6), (12, 4), id="of AWS"),
        pytest.param("1.dkr.ecr.eu-west-1.amazonaws.com/tgi:2.0.0-tgi0.9.3-cu118", (0, 9, 3), (11, 8), id="CUDA 11"),
        pytest.param("1.dkr.ecr.eu-west-1.amazonaws.com/tgi:tgi10.0.12-cu130-x", (10, 0, 12), (13, 0), id="CUDA 13"),
        pytest.param("1.dkr.ecr.eu-west-1.amazonaws.com/own-tgi:3.3.6", None, None, id="tag of somebody's own"),
        pytest.param("1.dkr.ecr.eu-west-1.amazonaws.com/tgi@sha256:0a1b", None, None, id="a digest"),
    ],
)
def test_what_a_tag_tells(uri: str, version: tuple[int, ...] | None, cuda: tuple[int, int] | None) -> None:
    assert images.tgi_version(uri) == version
    assert images.cuda_version(uri) == cuda


RELEASES: list[str] = list(images.releases()["versions"])
OWN = "ghcr.io/huggingface/text-generation-inference"


@pytest.mark.parametrize("version", RELEASES)
def test_release_is_a_tag_that_tells_its_version(version: str) -> None:
    image = images.release_image(version)
    assert image == f"{OWN}:{version}"
    assert images.tgi_version(image) == tuple(map(int, version.split(".")))


@pytest.mark.parametrize("minor", sorted({version.rpartition(".")[0] for version in RELEASES}))
def test_minor_release_stands_for_its_newest_patch(minor: str) -> None:
    newest = max(tuple(map(int, version.split("."))) for version in RELEASES if version.startswith(f"{minor}."))
    assert images.tgi_version(images.release_image(minor)) == newest


def test_newest_release_is_the_newest_by_number() -> None:
    assert images.release_image(None) == f"{OWN}:3.3.7"
    assert images.tgi_version(images.release_image(None)) == max(
        tuple(map(int, version.split("."))) for version in RELEASES
    )


@pytest.mark.parametrize(
    ("version", "tag"), [(None, "3.3.7-rocm"), ("3.2", "3.2.3-rocm"), ("1.2.0", "1.2.0-rocm"), ("2.0.4", "2.0.4-rocm")]
)
def test_image_for_amd_gpus(version: str | None, tag: str) -> None:
    image = images.release_image(version, "amd.com")
    assert image == f"{OWN}:{tag}"
    assert (images.is_for(image, "amd.com"), images.is_for(image, images.NVIDIA)) == (True, False)


@pytest.mark.parametrize("image", [f"{OWN}:3.3.7", f"{OWN}@sha256:0a1b", "registry.local/tgi:mine"])
def test_other_images_are_for_nvidia_gpus(image: str) -> None:
    assert (images.is_for(image, "amd.com"), images.is_for(image, images.NVIDIA)) == (False, True)


@pytest.mark.parametrize("version", ["1.1", "1.1.1", "1.0.3"])
def test_release_before_the_first_image_for_amd_gpus(version: str) -> None:
    text = f"TGI {version} is not a known release for amd.com GPUs (a tag with -rocm); use 3.3.7, 3.3.6, 3.3.5,"
    with pytest.raises(images.UnknownImageError, match=re.escape(text)):
        images.release_image(version, "amd.com")


@pytest.mark.parametrize("version", ["9.9", "9.9.9", "3.3.99", "0.9.4"])
def test_unknown_release_says_what_there_is(version: str) -> None:
    text = f"TGI {version} is not a known release; use 3.3.7, 3.3.6, 3.3.5, 3.3.4, 3.3.3, or set spec.runtime.image"
    with pytest.raises(images.UnknownImageError, match=re.escape(text)):
        images.release_image(version)


@pytest.mark.parametrize("tag", ["3.3.7-rocm", "3.3.7-intel-cpu", "3.3.7@sha256:0a1b"])
def test_other_builds_of_a_release_tell_its_version(tag: str) -> None:
    assert images.tgi_version(f"{OWN}:{tag}") == (3, 3, 7)
    assert images.tgi_version(f"registry.local/mirror/text-generation-inference:{tag}") == (3, 3, 7)
