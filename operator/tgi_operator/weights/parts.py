"""The repositories that TGI loads for one model, as TGI and transformers find them.

TGI loads some of them from `main`, whatever revision the model has: the model that a Medusa model speculates for
(`get_model` of its models/__init__.py), the configuration of an adapter (`LoraConfig.load` of its adapters/lora.py),
and the code of another repository (`get_class_from_dynamic_module` of transformers).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tgi_operator.weights.failures import LastingError
from tgi_operator.weights.selection import SAFETENSORS

MAIN = "main"
CONFIG = "config.json"
ADAPTER_CONFIG = "adapter_config.json"

CONFIGS = (CONFIG, "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")
"""Files that can name code of another repository (`auto_map`)."""

MEDUSA_HEADS = f"medusa_lm_head{SAFETENSORS}"

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_ADAPTER = re.compile(rf"({_ID.pattern})(?:@([A-Za-z0-9][A-Za-z0-9._/-]*))?")


class Purpose(StrEnum):
    """The role of a repository for TGI."""

    MODEL = "model"
    BASE = "base"
    """The model that a Medusa model speculates for."""
    ADAPTER = "adapter"
    CODE = "code"


@dataclass(frozen=True)
class Part:
    """A revision of a repository, and what TGI loads from it. `named_by` is where a user can correct its name."""

    repository: str
    revision: str
    purpose: Purpose
    named_by: str

    @property
    def uri(self) -> str:
        """The name for messages."""
        return f"hf://{self.repository}"

    @property
    def references(self) -> frozenset[str]:
        """The revisions as which TGI looks for it."""
        return frozenset({self.revision, MAIN}) if self.purpose is Purpose.ADAPTER else frozenset({self.revision})


def model(repository: str, revision: str) -> Part:
    """Return the model itself."""
    return Part(repository, revision, Purpose.MODEL, "spec.model.uri")


def adapters(given: Iterable[str]) -> Iterator[Part]:
    """Yield the LoRA adapters from `ID` or `ID@REVISION`. Raises LastingError."""
    for each in given:
        match = _ADAPTER.fullmatch(each)
        if match is None:
            raise LastingError(f"the adapter {each!r} is not on the Hub; use OWNER/NAME or OWNER/NAME@REVISION")
        yield Part(match[1], match[2] or MAIN, Purpose.ADAPTER, "LORA_ADAPTERS in spec.runtime.env")


def others(part: Part, configs: Mapping[str, Any], *, remote_code: bool) -> Iterator[Part]:
    """Yield the repositories that the configuration of a model names. Raises LastingError."""
    if part.purpose is Purpose.MODEL:
        yield from _bases(part, _mapping(configs.get(CONFIG)))
    if remote_code and part.purpose in (Purpose.MODEL, Purpose.BASE):
        for name in CONFIGS:
            for repository in sorted(_code(configs.get(name))):
                named_by = f"auto_map in {name} of {part.uri}"
                _require_id(repository, named_by, "code")
                if repository != part.repository:
                    yield Part(repository, MAIN, Purpose.CODE, named_by)


def require_complete(uri: str, configs: Mapping[str, Any], *, remote_code: bool) -> None:
    """Raise LastingError if a folder of weights needs a repository of the Hub. Its pods have no cache of the Hub."""
    config = _mapping(configs.get(CONFIG))
    base = config.get("base_model_name_or_path")
    if _speculates(config) and not str(base).startswith("/"):
        raise LastingError(
            f"{uri}: {CONFIG} names the base model {base!r}, which is not in this folder; {_use_hub('the base model')}"
        )
    for name in CONFIGS:
        for repository in sorted(_code(configs.get(name)) if remote_code else ()):
            raise LastingError(
                f"{uri}: {name} refers to code in {repository!r}, which is not in this folder; {_use_hub('the code')}"
            )


def _use_hub(missing: str) -> str:
    return f"use an hf:// URI with spec.inCluster.cache so that the operator fetches {missing} too"


def _bases(part: Part, config: Mapping[str, Any]) -> Iterator[Part]:
    if config.get("model_type") == "mlp_speculator":
        # `get_model` lists the files of such a model with `HfApi.model_info`, even if all of them are in the cache.
        raise LastingError(
            f"{part.uri}: TGI loads a model of type mlp_speculator only with a connection to the Hub; remove "
            "spec.inCluster.cache"
        )
    if _speculates(config):
        named_by = f"base_model_name_or_path in {CONFIG} of {part.uri}"
        base = str(config.get("base_model_name_or_path"))
        _require_id(base, named_by, "a base model")
        yield Part(base, MAIN, Purpose.BASE, named_by)


def _speculates(config: Mapping[str, Any]) -> bool:
    return "medusa_num_heads" in config or config.get("model_type") == "mlp_speculator"


def _code(config: Any) -> set[str]:
    """Return the repositories in `auto_map`, whose values are `CLASS`, `REPOSITORY--CLASS` or lists of them."""
    found: set[str] = set()
    for value in _mapping(_mapping(config).get("auto_map")).values():
        for each in value if isinstance(value, list) else [value]:
            repository, separator, _ = str(each).partition("--")
            if separator:
                found.add(repository)
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _require_id(repository: str, named_by: str, what: str) -> None:
    if not _ID.fullmatch(repository):
        raise LastingError(
            f"{named_by}: {repository[:200]!r} is not a repository on the Hub; use a model whose configuration names "
            f"{what} on the Hub"
        )
