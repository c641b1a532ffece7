"""The size of a model, judging by its name, and the time that it needs to start."""

import re

_BILLIONS = re.compile(
    r"(?<![a-z0-9.])(?:([0-9]{1,3})x)?([0-9]{1,5}(?:\.[0-9]{1,3})?)b(?![a-z0-9])", re.ASCII | re.IGNORECASE
)
"""A match with more digits than any model has is not a size."""

BYTES_PER_PARAMETER = 2
"""Weights are published as float16 or bfloat16."""

DEFAULT_STARTUP_SECONDS = 900
LONGEST_STARTUP_SECONDS = 3600
"""The longest time that SageMaker allows a container (ContainerStartupHealthCheckTimeoutInSeconds)."""


def billions_of_parameters(model_name: str) -> float | None:
    """Return the parameters in billions according to a name such as falcon-7b or Mixtral-8x7B, else None."""
    sizes = [float(size) * int(experts or 1) for experts, size in _BILLIONS.findall(model_name)]
    return max(sizes, default=None)


def startup_seconds(model_name: str) -> int:
    """Return the time for a container to download and load the model, in seconds.

    15 s for each GB of weights (a slow download and a slow load), plus 5 minutes for the image and the warm-up. The
    result is between 900 (also if the size is not known) and the 3600 that SageMaker allows.
    """
    billions = billions_of_parameters(model_name)
    if billions is None:
        return DEFAULT_STARTUP_SECONDS
    estimate = 300 + int(15 * billions * BYTES_PER_PARAMETER)
    return min(max(estimate, DEFAULT_STARTUP_SECONDS), LONGEST_STARTUP_SECONDS)
