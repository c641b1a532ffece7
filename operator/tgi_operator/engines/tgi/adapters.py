"""LoRA adapters in LORA_ADAPTERS, as the launcher and `parse_lora_adapters` of TGI's utils/adapter.py read them."""

import re

_ON_HUB = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*(@[A-Za-z0-9][A-Za-z0-9._/-]*)?")
_IN_FOLDER = re.compile(r"[^=@]+=/[^=@]*")


def entries(value: str) -> list[str]:
    """Return the adapters in the variable."""
    return [each.strip() for each in value.split(",")] if value else []


def on_hub(value: str) -> list[str]:
    """Return the adapters that the launcher downloads from the Hub, as `ID` or `ID@REVISION`."""
    return [each for each in entries(value) if _ON_HUB.fullmatch(each)]


def problem(value: str) -> str | None:
    """Return the first entry that TGI cannot load and the reason, or None if there is none."""
    names = set()
    for each in entries(value):
        if "=" not in each and each.count("@") > 1:
            return f"{each!r} has more than one '@'; use ID@REVISION"
        if not _ON_HUB.fullmatch(each) and not _IN_FOLDER.fullmatch(each):
            return f"{each!r} is not an adapter; use OWNER/NAME or OWNER/NAME@REVISION on the Hub, or NAME=/FOLDER"
        name = re.split("[=@]", each)[0]
        if name in names:
            return f"{name!r} is listed twice; requests name an adapter without its revision, so list it once"
        names.add(name)
    return None
