"""Names as AWS spells them: partitions and ARNs."""

from __future__ import annotations

from typing import Final

_PARTITIONS: Final = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eusc-": "aws-eusc",
}


def partition(region: str) -> str:
    """The partition a region belongs to."""
    return next((name for prefix, name in _PARTITIONS.items() if region.startswith(prefix)), "aws")


def sagemaker_arn(region: str, account: str, resource: str, name: str) -> str:
    """The ARN of a SageMaker resource; names are lowercase in it (CreateEndpoint reference)."""
    return f"arn:{partition(region)}:sagemaker:{region}:{account}:{resource}/{name.lower()}"
