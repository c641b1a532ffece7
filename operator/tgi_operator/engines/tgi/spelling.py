"""Variables of `runtime.env` that look like a misspelled option of the launcher, which would ignore them."""

from collections.abc import Iterable
from difflib import get_close_matches

from tgi_operator.api.spec import Runtime
from tgi_operator.engines.tgi import launcher_options
from tgi_operator.engines.tgi.launch_checks import typed_options

_ALIKE = 0.85
"""Similarity from which a name counts as a misspelling. Names of other programs, such as NCCL_DEBUG, are below it."""

_OTHER_OPTIONS = frozenset(
    {
        "API_KEY",
        "CORS_ALLOW_ORIGIN",
        "HOSTNAME",
        "HUGGINGFACE_HUB_CACHE",
        "LORA_ADAPTERS",
        "MASTER_ADDR",
        "OTLP_ENDPOINT",
        "OTLP_SERVICE_NAME",
        "PREFILL_CHUNKING",
        "PREFIX_CACHING",
        "SHARD_UDS_PATH",
        "TOKENIZER_CONFIG_PATH",
        "WEIGHTS_CACHE_OVERRIDE",
    }
)
"""Options whose value is any text (TGI launcher/src/main.rs), besides the typed ones in data/launcher.yaml."""


def misspelled(runtime: Runtime) -> Iterable[str]:
    """Yield a warning for each variable that looks like a misspelled option."""
    known = {*typed_options(), *_OTHER_OPTIONS, *launcher_options.RESERVED, *launcher_options.FORBIDDEN}
    for variable in runtime.env:
        if variable.name in known:
            continue
        alike = get_close_matches(variable.name.upper(), sorted(known), n=1, cutoff=_ALIKE)
        if alike:
            meant = launcher_options.RESERVED.get(alike[0], alike[0])
            yield f"spec.runtime.env: the launcher has no option {variable.name}; did you mean {meant}?"
