"""The images of TGI: those of SageMaker from data/sagemaker-images.json, TGI's own from data/releases.yaml."""

import json
import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

_DNS_SUFFIXES = {
    "cn": "amazonaws.com.cn",
    "eusc": "amazonaws.eu",
    "us-iso": "c2s.ic.gov",
    "us-isob": "sc2s.sgov.gov",
    "eu-isoe": "cloud.adc-e.uk",
    "us-isof": "csp.hci.ic.gov",
}
"""DNS suffix by region prefix (botocore partitions.json). All other regions have amazonaws.com."""

_PARTITIONS = {
    "cn": "aws-cn",
    "us-gov": "aws-us-gov",
    "eusc": "aws-eusc",
    "us-iso": "aws-iso",
    "us-isob": "aws-iso-b",
    "eu-isoe": "aws-iso-e",
    "us-isof": "aws-iso-f",
}
"""Partition by region prefix (botocore partitions.json). All other regions are in `aws`."""

CATALOGUE = "data/sagemaker-images.json"

NVIDIA = "nvidia.com"
"""The vendor of the GPUs that most images are for."""


class UnknownImageError(LookupError):
    """There is no image for that version. The text names the existing ones."""


class NoImageInRegionError(UnknownImageError):
    """AWS publishes no image in that region."""


@cache
def catalogue() -> dict[str, Any]:
    """Return the vendored table: source, repository, versions (to tags), registries (region to account)."""
    return dict(json.loads(files(__package__).joinpath(CATALOGUE).read_text()))


@cache
def releases() -> dict[str, Any]:
    """Return the table of TGI's own images: repository, versions, which are its tags, and their suffix by vendor."""
    return dict(yaml.safe_load(files(__package__).joinpath("data/releases.yaml").read_text()))


@cache
def newest_version() -> str:
    """Return the newest version of TGI in the catalog."""
    return max(map(str, catalogue()["versions"]), key=_numbers)


def release_image(version: str | None, vendor: str = NVIDIA) -> str:
    """Return TGI's own image of `version`, of the newest patch of a minor version such as 3.3, or of the newest one.

    None means the newest version. `vendor` is the vendor of the GPUs, one of `vendors`. Raises UnknownImageError.
    """
    table, made = releases(), releases()["vendors"][vendor]
    fitting = [each for each in table["versions"] if _numbers(each) >= _numbers(made["since"])]
    known = _newest(version, fitting) if version is not None else max(fitting, key=_numbers)
    if known is None:
        tagged = f" for {vendor} GPUs (a tag with {made['suffix']})" if made["suffix"] else ""
        raise UnknownImageError(
            f"TGI {version} is not a known release{tagged}; use {_some(fitting)}, or set spec.runtime.image"
        )
    return f"{table['repository']}:{known}{made['suffix']}"


def vendors() -> tuple[str, ...]:
    """Return the vendors of the GPUs that TGI has images for: the domains of their extended resources."""
    return tuple(releases()["vendors"])


def is_for(image_uri: str, vendor: str) -> bool:
    """Return whether the tag of an image is that of an image for the GPUs of `vendor`."""
    suffixes = {name: made["suffix"] for name, made in releases()["vendors"].items() if made["suffix"]}
    named = next((name for name, suffix in suffixes.items() if image_uri.endswith(suffix)), NVIDIA)
    return named == vendor


def _newest(version: str, known: Iterable[str]) -> str | None:
    """Return `version`, or the newest patch of a minor version, or None if there is none."""
    fitting = [candidate for candidate in known if candidate == version or candidate.startswith(f"{version}.")]
    return max(fitting, key=_numbers, default=None)


def _some(versions: Iterable[str]) -> str:
    return ", ".join(sorted(versions, key=_numbers, reverse=True)[:5])


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def dns_suffix(region: str) -> str:
    """Return the domain of AWS's services in `region`, such as amazonaws.com or amazonaws.com.cn."""
    return _by_prefix(_DNS_SUFFIXES, region, "amazonaws.com")


def console(region: str) -> str | None:
    """Return the host of the AWS console for `region`, or None for a partition whose console is not public."""
    hosts = {
        "aws": "console.aws.amazon.com",
        "aws-cn": "console.amazonaws.cn",
        "aws-us-gov": "console.amazonaws-us-gov.com",
    }
    host = hosts.get(partition(region))
    return f"{region}.{host}" if host is not None else None


def partition(region: str) -> str:
    """Return the partition of `region`, such as aws, aws-cn or aws-us-gov."""
    return _by_prefix(_PARTITIONS, region, "aws")


def _by_prefix(table: dict[str, str], region: str, default: str) -> str:
    return next((value for prefix, value in table.items() if region.startswith(f"{prefix}-")), default)


def image(version: str, region: str) -> str:
    """Return the image URI of TGI `version`, or of the newest patch of a minor version such as 3.3, in `region`.

    Raises UnknownImageError, and NoImageInRegionError if only the region lacks the image.
    """
    table = catalogue()
    known = _newest(version, table["versions"])
    if known is None:
        raise UnknownImageError(f"TGI {version} is not in the catalog; use one of {', '.join(table['versions'])}")
    account = table["registries"].get(region)
    if account is None:
        raise NoImageInRegionError(f"AWS publishes no TGI image in {region}")
    return f"{account}.dkr.ecr.{region}.{dns_suffix(region)}/{table['repository']}:{table['versions'][known]}"


def tgi_version(image_uri: str) -> tuple[int, ...] | None:
    """Return the TGI version in an image's tag, such as (3, 3, 6), or None if the tag has none."""
    found = re.search(r"(?:tgi|text-generation-inference:)(\d+)\.(\d+)\.(\d+)", image_uri)
    return tuple(map(int, found.groups())) if found else None


def cuda_version(image_uri: str) -> tuple[int, int] | None:
    """Return the CUDA version in an image's tag, such as (12, 4) for cu124, or None if the tag has none."""
    found = re.search(r"-cu(\d+)(\d)\b", image_uri)
    return (int(found[1]), int(found[2])) if found else None
