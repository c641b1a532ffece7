"""The client of the API server: what needs no server."""

import pytest

from tgi_operator.kube import _is_proxied


@pytest.mark.parametrize(
    ("server", "environment", "proxied"),
    [
        ("https://10.0.0.1:6443", {}, False),
        ("https://10.0.0.1:6443", {"HTTPS_PROXY": "http://proxy:3128"}, True),
        ("https://10.0.0.1:6443", {"HTTP_PROXY": "http://proxy:3128"}, False),
        ("https://10.0.0.1:6443", {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "10.0.0.1"}, False),
        ("https://api.example.com", {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".example.com"}, False),
    ],
)
def test_a_proxy_is_used_where_the_environment_wants_one(
    server: str, environment: dict[str, str], proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert _is_proxied(server) == proxied
