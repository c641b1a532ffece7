"""The files of a Hub repository that TGI needs."""

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import PurePosixPath

SAFETENSORS = ".safetensors"
PICKLED = ".bin"

_COMPANIONS = {".json", ".txt", ".model", ".tiktoken", ".jinja", ".py"}
# TGI skips all of these but the first (`_weight_files_from_dir` of its utils/hub.py). An adapter alone is no model.
_NO_WEIGHTS = ("adapter", "arguments", "args", "training")

# The same weights again, in the layout of the model's authors.
_ORIGINALS = "consolidated*"
_ORIGINALS_FOLDER = "original/"


def choose(names: Iterable[str], *, allow_pickle: bool, adapter: bool = False) -> list[str]:
    """Return the names to fetch: configuration, tokenizer, code, and weights, with pickled ones only if allowed."""
    wanted = list(names)
    chosen = [name for name in weights(wanted, adapter=adapter) if allow_pickle or not name.endswith(PICKLED)]
    return sorted({*chosen, *companions(wanted)})


def companions(names: Iterable[str]) -> list[str]:
    """Return the names of configuration, tokenizer and code."""
    return sorted(
        name for name in names if PurePosixPath(name).suffix in _COMPANIONS and not name.startswith(_ORIGINALS_FOLDER)
    )


def weights(names: Iterable[str], *, adapter: bool = False) -> list[str]:
    """Return the weight files among the names, as TGI finds them: safetensors, else .bin, in no subfolder."""
    listed = list(names)
    others = _NO_WEIGHTS[1:] if adapter else _NO_WEIGHTS
    for suffix in (SAFETENSORS, PICKLED):
        found = [
            name
            for name in listed
            if name.endswith(suffix) and "/" not in name and not any(word in name for word in others)
        ]
        if found:
            return [name for name in found if not fnmatch(name, _ORIGINALS)] or found
    return []
