"""The pauses between attempts that fail."""

import random

FIRST_BACKOFF = 0.2
LONGEST_BACKOFF = 45.0
"""Less than a minute with jitter: when the API server is back, every status is correct within 60 s."""


def backoff(failures: int) -> float:
    """Return the seconds to wait after this many failures in a row: doubling, with jitter."""
    # The exponent is capped because a float overflows after 1,024 failures.
    return float(min(FIRST_BACKOFF * 2.0 ** min(failures - 1, 16), LONGEST_BACKOFF) * random.uniform(0.8, 1.2))  # noqa: S311
