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


def choose(names: Iterable[str], *, allow_pickle: bool) -> list[str]:
    """Return the names to fetch: configuration, tokenizer, code, and weights, with pickled ones only if allowed."""
    wanted = [name for name in names if not name.startswith(_ORIGINALS_FOLDER)]
    chosen = [name for name in weights(wanted) if allow_pickle or not name.endswith(PICKLED)]
    return sorted({*chosen, *(name for name in wanted if PurePosixPath(name).suffix in _COMPANIONS)})


def weights(names: Iterable[str]) -> list[str]:
    """Return the weight files among the names, as TGI finds them: safetensors, else .bin, in no subfolder."""
    listed = list(names)
    for suffix in (SAFETENSORS, PICKLED):
        found = [name for name in listed if name.endswith(suffix) and "/" not in name and not _is_something_else(name)]
        if found:
            return [name for name in found if not fnmatch(name, _ORIGINALS)] or found
    return []


def _is_something_else(name: str) -> bool:
    return any(word in name for word in _NO_WEIGHTS)
