"""Destinations of callbacks: no spelling and no name reaches a private address."""

import pytest

from loopin_mcp.api.outbox.destinations import Destinations
from loopin_mcp.api.outbox.lookups import Lookups
from loopin_mcp.errors import InvalidRequestError
from tests.support import PATIENCE_S
from tests.support.receiver import Names

NOT_THERE = (
    "callbackUrl leads to an address that LoopIn may not call: it must be public, or in a "
    "network that LOOPIN_CALLBACK_ALLOW lists"
)
NO_HOST = "callbackUrl must have a valid host name"
NO_URL = "callbackUrl must be an http or https URL"
PUBLIC = "93.184.216.34"


async def refusal(url: str, destinations: Destinations) -> str | None:
    """The error of a create with this callback URL, or None."""
    try:
        await destinations.check(url)
    except InvalidRequestError as error:
        return str(error)
    return None


@pytest.fixture
def public() -> Destinations:
    """Only public addresses, with the name server of this machine."""
    return Destinations((), Lookups().addresses_of, PATIENCE_S)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.1",
        "0X7F.0x0.0.1",
        "0177.0x0.1",
        "127.0.0.1.",
        "127。0。0。1",
        "127．0．0｡1",
        "localhost",
        "LocalHost",
        "localhost.",
        "any.localhost",
        "any.LOCALHOST.",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[0000::0001]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:FFFF:7F00:0001]",
        "[::127.0.0.1]",
        "[::ffff:0:127.0.0.1]",
        "[2002:7f00:1::]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1::7f00:1]",
        "[2001:0:5db8:d822:0:0:80ff:fffe]",
        "0.0.0.0",  # noqa: S104
        "0",
        "[::]",
        "10.0.0.1",
        "0xa000001",
        "012.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "2852039166",
        "0xA9FEA9FE",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::]",
        "[fd00:ec2::254]",
        "[fd20:ce::254]",
        "168.63.129.16",
        "100.100.100.200",
        "100.64.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "[fe80::1]",
        "[fec0::1]",
        "[fc00::1]",
        "[fd00::1]",
        "[ff02::1]",
        "[100::1]",
        "[2001:db8::1]",
        "[2001:20::1]",
        "[3fff::1]",
        "[5f00::1]",
        "[4000::1]",
    ],
)
async def test_address_that_is_not_public_is_refused_however_it_is_spelled(
    public: Destinations, host: str
) -> None:
    assert await refusal(f"https://{host}/hook?token=s3cret", public) in (NOT_THERE, NO_URL)


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("[fe80::1%25lo]", NO_HOST),
        ("[::1%251]", NO_HOST),
        ("127.0.0.1%00.example.com", NO_HOST),
        ("%31%32%37.0.0.1", NO_HOST),
        ("localhost%20", NO_HOST),
        (".", NO_HOST),
        ("..", NO_HOST),
        ("a..b", NO_HOST),
        (".example.com", NO_HOST),
        (f"{'a' * 64}.com", NO_HOST),
        (f"{'a.' * 126}com", NO_HOST),
        ("4294967296", NO_HOST),
        ("127.0.0.1.1", NO_HOST),
        ("0x1ffffffff", NO_HOST),
        ("example.09", NO_HOST),
        ("１２７.0.0.1", NO_URL),
        ("①②⑦.0.0.1", NO_URL),
        ("ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", NO_URL),
        ("0177.0.0.1", NO_URL),
        ("256.0.0.1", NO_URL),
        ("[::1", NO_URL),
        ("127.0.0.1:0x50", NO_URL),
        ("☃.test", NO_URL),
        ("exämple..test", NO_URL),
    ],
)
async def test_host_that_cannot_be_is_refused(public: Destinations, host: str, told: str) -> None:
    assert await refusal(f"http://{host}/hook?token=s3cret", public) == told


@pytest.mark.parametrize(
    "host",
    [
        PUBLIC,
        "[2606:4700::1111]",
        "[64:ff9b::5db8:d822]",
        f"[::ffff:{PUBLIC}]",
        "1572395042",
        "100.63.255.255",
        "100.128.0.1",
        "172.32.0.1",
        "223.255.255.255",
    ],
)
async def test_public_address_may_be_used(public: Destinations, host: str) -> None:
    assert await refusal(f"https://{host}/hook", public) is None


async def test_callback_is_no_must(public: Destinations) -> None:
    await public.check(None)


@pytest.mark.parametrize(
    ("addresses", "told"),
    [
        ([PUBLIC, "2606:4700::1111"], None),
        (["127.0.0.1"], NOT_THERE),
        (["fe80::1%eth0"], NOT_THERE),
        ([PUBLIC, "10.0.0.1"], NOT_THERE),
        (["10.0.0.1", PUBLIC], NOT_THERE),
        ([PUBLIC, "::ffff:10.0.0.1"], NOT_THERE),
    ],
)
async def test_name_is_as_good_as_the_worst_of_its_addresses(
    addresses: list[str], told: str | None
) -> None:
    destinations = Destinations((), Names(**{"hooks.test": addresses}))

    assert await refusal("https://HOOKS.test./hook", destinations) == told


async def test_name_that_is_not_known_right_now_may_be_used() -> None:
    assert await refusal("https://hooks.test/hook", Destinations((), Names())) is None
