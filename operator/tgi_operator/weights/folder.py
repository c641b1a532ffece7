"""The folder of the weights: its allowed names, its free space, and whether it contains a model."""

import json
import os
import secrets
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from tgi_operator.weights.failures import LastingError, of_faulty_volume
from tgi_operator.weights.parts import ADAPTER_CONFIG, CONFIG, CONFIGS, MEDUSA_HEADS
from tgi_operator.weights.progress import gib
from tgi_operator.weights.selection import PICKLED, SAFETENSORS, weights

STATE = ".fetch"
"""The subfolder for data that is remembered between runs."""

ONLY_PICKLE = (
    "the only weights are pickle files, which can run code when they are loaded; use safetensors, "
    "or set spec.model.allowPickle to true"
)

NO_BASE = (
    "the only weights of this base model are pickle files, which TGI does not convert; use a model whose base has "
    "safetensors files"
)

_NO_CONVERSION = (
    "the only weights are .bin files, which TGI must convert, but pods cannot write to a pvc:// folder; convert them "
    "to safetensors"
)
_INDEX = f"model{SAFETENSORS}.index.json"


def inside(folder: Path, relative: str) -> Path:
    """Return the path of a name from another source. Raises LastingError if it leads outside."""
    parts = relative.split("/")
    if {"", ".", ".."} & set(parts) or "\0" in relative or parts[0] == STATE:
        raise LastingError(f"the file name {relative!r} is not allowed in {folder}; rename the file at the source")
    return folder.joinpath(*parts)


def require_space(folder: Path, needed: int) -> None:
    """Raise LastingError if the bytes do not fit on the folder's volume."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise LastingError(
            f"{gib(needed)} GiB must be fetched, but the volume that contains {folder} has {gib(free)} GiB free; use a "
            "larger PVC"
        )


def is_contained(directory: Path, path: Path) -> bool:
    """Return whether no link on the path to `path` leads out of the directory."""
    return path.resolve().is_relative_to(directory.resolve())


def require_contained(directory: Path, path: Path) -> None:
    """Raise LastingError if a link on the path to `path` leads out of the directory."""
    if not is_contained(directory, path):
        raise LastingError(f"{path} is a link that points outside {directory}; remove the link")


def require_only(folder: Path, names: Collection[str]) -> None:
    """Raise LastingError if the folder has weights with other names, which TGI would also load."""
    present = {path.name for path in folder.iterdir()}
    others = sorted(name for name in present if name.endswith(SAFETENSORS) and name not in names)
    if others:
        raise LastingError(
            f"{folder} has 1 weight file that is not part of the model: {others[0]}; remove it"
            if len(others) == 1
            else f"{folder} has {len(others)} weight files that are not part of the model, such as {others[0]}; "
            "remove them"
        )


def configs(folder: Path) -> dict[str, Any]:
    """Return the files with the configuration of a model. TGI reports those that it cannot read."""
    found = {}
    for name in CONFIGS:
        # A file can be nested too deeply for the parser.
        with suppress(OSError, ValueError, RecursionError):
            found[name] = json.loads((folder / name).read_text())
    return found


def has_only_pickled(folder: Path) -> bool:
    """Return whether TGI must convert the weights of a folder."""
    return any(name.endswith(PICKLED) for name in weights(path.name for path in folder.iterdir()))


def check_adapter(folder: Path, *, allow_pickle: bool) -> None:
    """Raise LastingError unless the folder contains a LoRA adapter that TGI can load."""
    present = {path.name for path in folder.iterdir() if path.is_file()}
    if ADAPTER_CONFIG not in present:
        raise LastingError(f"{folder} has no {ADAPTER_CONFIG}, so it is not a LoRA adapter; correct LORA_ADAPTERS")
    found = weights(present, adapter=True)
    if not found:
        raise LastingError(f"{folder} has no weights; TGI needs *.safetensors or *.bin files next to {ADAPTER_CONFIG}")
    if not allow_pickle and any(name.endswith(PICKLED) for name in found):
        raise LastingError(f"{folder}: {ONLY_PICKLE}")


def check(folder: Path, *, allow_pickle: bool, convertible: bool = True) -> None:
    """Raise LastingError unless the folder contains a model that TGI can load, and can convert if it must."""
    try:
        present = {path.name for path in folder.iterdir() if path.is_file()}
        index = json.loads((folder / _INDEX).read_text()) if _INDEX in present else {}
        listed = set(index.get("weight_map", {}).values())
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        faulty = of_faulty_volume(error, folder) if isinstance(error, OSError) else None
        raise faulty or LastingError(
            f"{folder} cannot be read as a model folder: {error}; check that the folder is readable and that the files "
            "in it are not damaged"
        ) from error
    if CONFIG not in present:
        raise LastingError(f"{folder} has no {CONFIG}; use a folder that contains a model in Hugging Face Hub layout")
    if not weights(present):
        raise LastingError(f"{folder} has no weights; TGI needs *.safetensors or *.bin files next to {CONFIG}")
    if any(name.endswith(PICKLED) for name in weights(present)):
        if not allow_pickle:
            raise LastingError(f"{folder}: {ONLY_PICKLE}")
        if not convertible:
            raise LastingError(f"{folder}: {_NO_CONVERSION}")
    if "medusa_num_heads" in (configs(folder).get(CONFIG) or {}) and MEDUSA_HEADS not in present:
        raise LastingError(f"{folder} has no {MEDUSA_HEADS}, which TGI needs for a Medusa model; use another model")
    if missing := sorted(listed - present):
        example, them = (f": {missing[0]}", "it") if len(missing) == 1 else (f", such as {missing[0]}", "them")
        lacking = f"{len(missing)} of the files that are listed in {_INDEX}"
        raise LastingError(f"{folder} lacks {lacking}{example}; copy {them} to the folder")


def write_atomically(path: Path, text: str) -> None:
    """Write a small file so that after a kill, or during the write, readers find the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    temporary.write_text(text)
    flush(temporary)
    temporary.replace(path)


def flush(path: Path) -> None:
    """Wait until a file is on disk: a crash of the node must not undo anything that is recorded as complete."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
