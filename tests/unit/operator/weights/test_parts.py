"""The repositories that a configuration names, for folders whose pods have no cache of the Hub."""

from typing import Any

import pytest

from tgi_operator.weights import parts
from tgi_operator.weights.failures import LastingError

MEDUSA = {"medusa_num_heads": 3, "base_model_name_or_path": "o/base"}
LOCAL = MEDUSA | {"base_model_name_or_path": "/models/base"}
CODE = {"auto_map": {"AutoConfig": "configuration.C", "AutoModel": "o/code--modeling.M"}}


@pytest.mark.parametrize(
    ("configs", "remote_code", "message"),
    [
        ({"config.json": MEDUSA}, False, "config.json names the base model 'o/base', which is not in this folder"),
        ({"config.json": LOCAL}, False, None),
        ({"config.json": {"base_model_name_or_path": "o/base"}}, False, None),
        ({"config.json": CODE}, True, "config.json refers to code in 'o/code', which is not in this folder"),
        ({"config.json": CODE}, False, None),
        ({"config.json": {"auto_map": {"AutoConfig": "configuration.C"}}}, True, None),
        (
            {"tokenizer_config.json": {"auto_map": {"AutoTokenizer": [None, "o/t--x.Y"]}}},
            True,
            "refers to code in 'o/t'",
        ),
        ({"config.json": []}, True, None),
        ({"config.json": {"auto_map": "o/code--x.Y"}}, True, None),
        ({}, True, None),
    ],
)
def test_folder_that_needs_the_hub_is_refused(configs: dict[str, Any], remote_code: bool, message: str | None) -> None:
    if message is None:
        parts.require_complete("s3://b/m/", configs, remote_code=remote_code)
        return
    with pytest.raises(LastingError) as refused:
        parts.require_complete("s3://b/m/", configs, remote_code=remote_code)
    assert message in str(refused.value)
    assert str(refused.value).startswith("s3://b/m/: ")


def test_base_and_adapters_do_not_name_further_bases() -> None:
    """TGI looks at the base of the model alone."""
    base = parts.Part("o/base", "main", parts.Purpose.BASE, "x")
    assert list(parts.others(base, {"config.json": MEDUSA}, remote_code=True)) == []
    (adapter,) = parts.adapters(["o/a"])
    assert list(parts.others(adapter, {"config.json": MEDUSA | CODE}, remote_code=True)) == []
