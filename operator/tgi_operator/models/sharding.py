"""Known facts about models by their ID on the Hub: the number of GPUs over which one can be split."""

import re
from functools import cache
from importlib.resources import files
from math import gcd
from typing import Any

import yaml

from tgi_operator.api.spec import Model


@cache
def _known() -> tuple[tuple[re.Pattern[str], dict[str, Any]], ...]:
    table = yaml.safe_load(files(__package__).joinpath("data/models.yaml").read_text())
    return tuple((re.compile(row["id"], re.IGNORECASE), row) for row in table)


def indivisible(model: Model, shards: int) -> str | None:
    """Return the reason why the model cannot be split over `shards` GPUs, or None if it can or is not known."""
    common = _common_heads(model)
    if common is None or common % shards == 0:
        return None
    fitting = ", ".join(str(n) for n in range(1, 9) if common % n == 0)
    return f"{model.hub_id} has attention heads that cannot be split evenly across {shards} GPUs; use {fitting}"


def default_shards(model: Model, gpus: int) -> int:
    """Return how many of `gpus` to split the model over: all, or as many as its heads allow if they are known."""
    common = _common_heads(model)
    return gpus if common is None else max(n for n in range(1, gpus + 1) if common % n == 0)


def _common_heads(model: Model) -> int | None:
    """Return the number that every possible shard count divides, or None if the model is not known."""
    if not model.on_hub:
        return None
    row = next((row for pattern, row in _known() if pattern.fullmatch(model.hub_id)), None)
    return gcd(row["heads"], row["keyValueHeads"]) if row else None
