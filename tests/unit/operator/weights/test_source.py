"""The sources of weights."""

from pathlib import Path

import pytest

from tgi_operator.weights.failures import LastingError
from tgi_operator.weights.source import Folder, HubModel, Prefix, Source, parse


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("hf://tiiuae/falcon-7b-instruct", HubModel("tiiuae/falcon-7b-instruct")),
        ("s3://acme-models/llama/v1/", Prefix("acme-models", "llama/v1/")),
        ("s3://acme-models/", Prefix("acme-models", "")),
        ("file:///models/llama", Folder(Path("/models/llama"))),
    ],
)
def test_a_uri_names_a_source(uri: str, source: Source) -> None:
    assert parse(uri) == source


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "llama",
        "hf://llama",
        "hf://a/b/c",
        "hf://../x",
        "s3://bucket",
        "s3://bucket/key",
        "file://models",
        "gs://a/b/",
    ],
)
def test_anything_else_is_refused_with_what_there_is(uri: str) -> None:
    with pytest.raises(LastingError, match="use hf://OWNER/NAME, s3://BUCKET/PREFIX/ or file:///PATH"):
        parse(uri)
