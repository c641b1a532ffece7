"""The errors of TGI without a connection to the Hub (HF_HUB_OFFLINE), from the real files in its cache.

The cache is read as `_get_cached_revision_directory` of server/text_generation_server/utils/hub.py does it. If the
folder of the cache does not exist, as in the simulated cluster, nothing is known about the files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tgi_sandbox.tgi.options import Options

_TRUE = frozenset({"1", "true", "yes"})
_SKIPPED = ("arguments", "args", "training")


def download_problems(options: Options, env: Mapping[str, str]) -> Iterator[str]:
    """The model and its adapters that `download_weights` of cli.py does not find."""
    cache = _cache(env)
    if cache is None:
        return
    wanted: list[tuple[str, str | None]] = [(options.model_id, options.revision)]
    for adapter in (options.lora_adapters or "").split(","):
        if adapter.strip() and "=" not in adapter:
            name, _, revision = adapter.strip().partition("@")
            wanted.append((name, revision or None))
    for name, asked in wanted:
        if not Path(name).is_dir() and not _weights(_snapshot(cache, name, asked)):
            yield (
                f"huggingface_hub.errors.EntryNotFoundError: No .bin weights found for model {name} "
                f"and revision {asked}."
            )


def shard_problems(options: Options, env: Mapping[str, str]) -> Iterator[str]:
    """The files that `get_model` of models/__init__.py and `LoraConfig.load` of adapters/lora.py look for in `main`."""
    cache = _cache(env)
    if cache is None:
        return
    config = _config(
        Path(options.model_id)
        if Path(options.model_id).is_dir()
        else _snapshot(cache, options.model_id, options.revision)
    )
    speculates = "medusa_num_heads" in config or config.get("model_type") == "mlp_speculator"
    base = str(config.get("base_model_name_or_path"))
    if speculates and not Path(base).is_dir() and not _config(_snapshot(cache, base, "main")):
        yield (
            "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in the "
            "cached files."
        )
    if config.get("model_type") == "mlp_speculator" and not Path(options.model_id).is_dir():
        yield (
            "huggingface_hub.errors.OfflineModeIsEnabled: Cannot reach https://huggingface.co/api/models/"
            f"{options.model_id}: offline mode is enabled. "
            "To disable it, please unset the `HF_HUB_OFFLINE` environment variable."
        )
    for adapter in (options.lora_adapters or "").split(","):
        name, _, path = adapter.strip().partition("@")[0].partition("=")
        folder = Path(path) if path else _snapshot(cache, name, None)
        if name and (folder is None or not (folder / "adapter_config.json").is_file()):
            yield f"ValueError: Can't find 'adapter_config.json' at '{path or name}'"


def _cache(env: Mapping[str, str]) -> Path | None:
    if env.get("HF_HUB_OFFLINE", "0").lower() not in _TRUE:
        return None
    folder = Path(env.get("HUGGINGFACE_HUB_CACHE") or f"{env.get('HF_HOME', '/data')}/hub")
    return folder if folder.is_dir() else None


def _snapshot(cache: Path, name: str, revision: str | None) -> Path | None:
    storage = cache / f"models--{name.replace('/', '--')}"
    reference = storage / "refs" / (revision or "main")
    commit = reference.read_text() if reference.is_file() else revision or "main"
    folder = storage / "snapshots" / commit
    return folder if folder.is_dir() else None


def _weights(folder: Path | None) -> bool:
    names = [path.name for path in folder.iterdir() if path.is_file()] if folder is not None else []
    return any(name.endswith((".safetensors", ".bin")) for name in names if not any(word in name for word in _SKIPPED))


def _config(folder: Path | None) -> dict[str, Any]:
    path = folder / "config.json" if folder is not None else None
    return dict(json.loads(path.read_text())) if path is not None and path.is_file() else {}
