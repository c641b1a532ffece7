"""Whether a model fits its GPUs and uses them all. Both cause a warning and no refusal.

The size of the weights is a guess from the name of the model.
"""

import re

from tgi_operator.engines.tgi.launch_checks import Launch
from tgi_operator.models import sizes

# Parts of names of quantized weights. Sizes such as 8x7b, in which experts share layers.
_NOT_PLAIN = re.compile(r"awq|gptq|exl2|eetq|marlin|fp8|int[48]|[48]-?bit|w[48]a|quantized|bnb|\dx\d", re.IGNORECASE)


def too_large(launch: Launch) -> str | None:
    """Return that the weights are larger than the GPUs' memory, or None if they fit, are quantized or unknown."""
    uri = launch.model.uri
    billions = sizes.billions_of_parameters(uri)
    if billions is None or _NOT_PLAIN.search(uri) or "QUANTIZE" in launch.environment:
        return None
    needed = billions * sizes.BYTES_PER_PARAMETER
    present = launch.shards * launch.instance.memory_mib * 2**20 / 10**9
    if not present or needed <= present:
        return None
    return (
        f"the weights of {uri} need about {needed:.0f} GB at 16-bit precision, but the GPU "
        f"memory ({launch.shards} x {launch.instance.gpu}) is {present:.0f} GB; {launch.instance.more}, or set "
        "spec.runtime.quantize"
    )


def idle_gpus(launch: Launch) -> str | None:
    """Return that some GPUs are allocated but not used, or None if TGI uses all of them."""
    used, allocated = launch.shards, launch.instance.count
    if used >= allocated:
        return None
    if launch.runtime.num_shard is None:
        why = f"the attention heads of {launch.model.hub_id} cannot be split evenly across more GPUs"
        advice = launch.instance.fewer
    else:
        why, advice = f"spec.runtime.numShard is {used}", f"raise it, or {launch.instance.fewer}"
    return f"TGI uses only {used} of the {allocated} allocated GPUs, because {why}; {advice}"
