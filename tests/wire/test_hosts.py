"""All spellings of a host become one."""

import pytest

from loopin_mcp.wire.hosts import host_of


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.COM./path", "example.com"),
        ("https://bücher.example", "xn--bcher-kva.example"),
        ("https://BÜCHER.example.:8443/", "xn--bcher-kva.example"),
        ("https://straße.example", "xn--strae-oqa.example"),
        ("https://user:word@127.1/", "127.0.0.1"),
        ("https://0x7f000001", "127.0.0.1"),
        ("https://[0:0::1]", "::1"),
        ("https://[::ffff:10.0.0.1]", "10.0.0.1"),
        ("https://☃.example", "☃.example"),
        ("mailto:somebody", ""),
    ],
)
def test_host_has_one_spelling(url: str, host: str) -> None:
    assert host_of(url) == host
