from __future__ import annotations

import pytest

from hunter.web.guard import (
    Asked,
    Authority,
    Guard,
    Refusal,
    authority,
    bracketed,
    is_wildcard,
)

TOKEN = "a-token-that-nobody-guesses"
LOCAL = "127.0.0.1"


def guard(host: str = LOCAL, allowed: tuple[str, ...] = ()) -> Guard:
    return Guard(host, 8787, allowed, TOKEN)


def asked(path: str = "/api/status", method: str = "GET", **headers: str) -> Asked:
    given = {"host": "127.0.0.1:8787"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return Asked(path, method, {name: [value] for name, value in given.items()}, LOCAL)


def status(refusal: Refusal | None) -> int:
    return refusal.status if refusal else 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:8787", 200),
        ("localhost:8787", 200),
        ("LocalHost:8787", 200),
        ("[::1]:8787", 200),
        ("127.0.0.1", 421),  # port 80 is somebody else's
        ("127.0.0.1:8788", 421),
        ("evil.example:8787", 421),
        ("localhost.evil.example:8787", 421),
        ("127.0.0.1:8787@evil.example", 421),
        ("evil.example:8787, localhost:8787", 421),
        ("192.168.1.5:8787", 421),
        ("", 421),
        ("[::1", 421),
    ],
)
def test_host_has_to_be_ours(host: str, expected: int) -> None:
    assert status(guard().refusal(asked(host=host))) == expected


def test_no_host_or_two_are_refused() -> None:
    one = "127.0.0.1:8787"
    for hosts in ([], [one, one]):
        assert status(guard().refusal(Asked("/", "GET", {"host": hosts}, LOCAL))) == 421


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://127.0.0.1:8787", 200),
        ("http://localhost:8787", 200),
        ("https://localhost:8787", 200),
        ("http://localhost", 403),
        ("http://localhost:3000", 403),
        ("http://evil.example", 403),
        ("http://evil.example:8787", 403),
        ("null", 403),
        ("file://", 403),
        ("ws://127.0.0.1:8787", 403),
        ("", 403),
    ],
)
@pytest.mark.parametrize("is_websocket", [False, True])
def test_origin_has_to_be_ours(origin: str, expected: int, is_websocket: bool) -> None:
    came = asked("/ws", origin=origin)._replace(is_websocket=is_websocket)
    assert status(guard().refusal(came)) == expected


def test_two_origins_are_refused() -> None:
    headers = {"host": ["127.0.0.1:8787"], "origin": ["http://localhost:8787"] * 2}
    assert status(guard().refusal(Asked("/", "GET", headers, LOCAL))) == 403


def test_methods_that_change_things_are_refused_but_for_the_login() -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get", ""):
        assert status(guard().refusal(asked(method=method))) == 405
    assert status(guard().refusal(asked("/login", "POST"))) == 200
    assert status(guard().refusal(asked("/login", "DELETE"))) == 405
    assert status(guard().refusal(asked(method="HEAD"))) == 200


def test_elsewhere_everybody_needs_the_token() -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::", "2001:db8::1", "hunter.lan"):
        there = guard(host)
        assert there.always_asks
        assert status(there.refusal(asked())) == 401
        assert status(there.refusal(asked(authorization=f"Bearer {TOKEN}"))) == 200
        assert status(there.refusal(asked(authorization=f"bearer  {TOKEN} "))) == 200
        assert status(there.refusal(asked(authorization=f"Basic {TOKEN}"))) == 401
        assert status(there.refusal(asked(authorization=f"Bearer {TOKEN}x"))) == 401
        assert status(there.refusal(asked(authorization="Bearer \u00e9"))) == 401
        assert status(there.refusal(asked("/healthz"))) == 200
        assert status(there.refusal(asked("/login"))) == 200
    for host in (LOCAL, "localhost", "::1", "127.5.5.5"):
        assert not guard(host).always_asks


def test_cookie_of_this_port_is_as_good_as_the_header() -> None:
    there = guard("0.0.0.0")
    value = there.cookie_value
    assert status(there.refusal(asked(cookie=f"a=b; hunter-8787={value}; c=d"))) == 200
    assert status(there.refusal(asked(cookie=f"hunter-8788={value}"))) == 401
    assert status(there.refusal(asked(cookie="hunter-8787=wrong; hunter-8787=\u00e9"))) == 401


def test_cookie_is_plain_and_not_the_token() -> None:
    odd = Guard("0.0.0.0", 8787, (), 'with blanks; "/+=" and more')
    assert odd.cookie_value.isalnum()
    assert odd.cookie_value != guard("0.0.0.0").cookie_value
    assert status(guard("0.0.0.0").refusal(asked(cookie=f"hunter-8787={TOKEN}"))) == 401


def test_token_in_the_address_is_no_token() -> None:
    assert status(guard("0.0.0.0").refusal(asked(f"/?token={TOKEN}"))) == 401


def test_browser_without_a_token_is_sent_to_the_login() -> None:
    there = guard("0.0.0.0")
    assert status(there.refusal(asked("/", accept="text/html,*/*"))) == 303
    assert status(there.refusal(asked("/", accept="application/json"))) == 401
    assert status(there.refusal(asked("/metrics", accept="text/html"))) == 401
    socket = asked("/", accept="text/html")._replace(is_websocket=True)
    assert status(there.refusal(socket)) == 401


def test_own_address_is_the_one_the_connection_came_to() -> None:
    there = guard("0.0.0.0")
    came = asked(host="192.168.1.5:8787", authorization=f"Bearer {TOKEN}")
    assert status(there.refusal(came._replace(local_host="192.168.1.5"))) == 200
    assert status(there.refusal(came._replace(local_host="192.168.1.6"))) == 421
    # a socket of both versions writes an address of version 4 so
    assert status(there.refusal(came._replace(local_host="::ffff:192.168.1.5"))) == 200
    # the wildcard is no address that one can ask for
    assert status(there.refusal(asked(host="0.0.0.0:8787"))) == 421


def test_allowed_host_needs_the_token_on_any_port() -> None:
    there = guard(allowed=("hunter.example",))
    assert status(there.refusal(asked())) == 200
    for host in ("hunter.example", "hunter.example:443", "Hunter.Example:9000"):
        assert status(there.refusal(asked(host=host))) == 401
        assert status(there.refusal(asked(host=host, authorization=f"Bearer {TOKEN}"))) == 200
    assert status(there.refusal(asked(host="other.example"))) == 421


def test_whoever_comes_through_a_proxy_needs_the_token() -> None:
    for name in (
        "forwarded", "via", "x_forwarded_for", "x_forwarded_host", "x_forwarded_proto",
        "x_forwarded_server", "x_real_ip", "x_client_ip",
    ):  # fmt: skip
        assert status(guard().refusal(asked(**{name: "10.0.0.1"}))) == 401
    assert status(guard().refusal(asked(x_other="10.0.0.1"))) == 200


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        ("hunter.example", "https://hunter.example", 200),
        ("hunter.example", "http://hunter.example", 200),
        ("hunter.example:9000", "http://hunter.example:9000", 200),
        ("hunter.example", "https://hunter.example:8443", 403),  # another service there
        ("127.0.0.1:8787", "https://hunter.example", 200),  # a proxy that asks in its own name
    ],
)
def test_origin_of_an_allowed_host(host: str, origin: str, expected: int) -> None:
    came = asked(host=host, origin=origin, authorization=f"Bearer {TOKEN}")
    assert status(guard(allowed=("hunter.example",)).refusal(came)) == expected


def test_authority_takes_names_and_addresses_apart() -> None:
    assert authority("A.example", 80) == Authority("a.example", 80)
    assert authority("[2001:DB8::1]:9", 80) == Authority("[2001:db8::1]", 9)
    for text in ("", "a b", "a:", "a:1:2", "http://a", "a/b", "::1", "a:123456", "a\n"):
        assert authority(text, 80) is None


def test_bracketed() -> None:
    assert [bracketed(host) for host in ("::1", "[::1]", "A.b")] == ["[::1]", "[::1]", "a.b"]


def test_is_token_is_exact() -> None:
    assert guard().is_token(TOKEN)
    assert not guard().is_token("")
    assert not guard().is_token(TOKEN[:-1])


def test_is_wildcard() -> None:
    assert [host for host in ("0.0.0.0", "::", "127.0.0.1", "a.b") if is_wildcard(host)] == [
        "0.0.0.0",
        "::",
    ]


@pytest.mark.parametrize(
    ("site", "mode", "expected"),
    [
        ("cross-site", "no-cors", 403),  # a picture or a script of ours in another site's page
        ("same-site", "no-cors", 403),  # of a page on another port of localhost
        ("same-origin", "no-cors", 200),
        ("cross-site", "navigate", 200),  # somebody follows a link
        ("none", "navigate", 200),
    ],
)
def test_nothing_of_ours_goes_into_another_sites_page(site: str, mode: str, expected: int) -> None:
    came = asked(sec_fetch_site=site, sec_fetch_mode=mode)
    assert status(guard().refusal(came)) == expected
