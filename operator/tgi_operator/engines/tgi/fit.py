"""Whether the weights of a model fit the GPUs, judging by its name. A guess, which causes a warning and no refusal."""

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
