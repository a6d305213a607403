"""The credentials of a request."""

from base64 import b64encode

import pytest

from entrepot.kernel.errors import Forbidden, Unauthenticated
from entrepot.kernel.identity import Credentials, credentials_of

SECRET = "0123456789abcdef0123456789abcdef01234567"


def request(*headers: tuple[str, str], method: str = "GET", base: str = "https://data.example.org"):
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return {"type": "http", "method": method, "headers": raw, "scheme": "https", "entrepot.base": base}


def basic(pair: str) -> str:
    return "Basic " + b64encode(pair.encode()).decode()


@pytest.mark.parametrize(
    ("name", "value", "scheme"),
    [
        ("Authorization", f"Token {SECRET}", "token"),
        ("Authorization", f"tOKEN   {SECRET}  ", "token"),
        ("Authorization", f"Bearer {SECRET}", "bearer"),
        ("Authorization", f"bearer {SECRET}", "bearer"),
        ("Authorization", basic(f"ada:{SECRET}"), "basic"),
        ("Authorization", basic(f":{SECRET}"), "basic"),
        ("X-Charon-API-token", SECRET, "charon"),
    ],
)
def test_a_token_is_read_from_each_header(name: str, value: str, scheme: str) -> None:
    assert credentials_of(request((name, value))) == Credentials(SECRET, scheme)


def test_a_password_may_have_colons() -> None:
    assert credentials_of(request(("Authorization", basic("ada:a:b")))) == Credentials("a:b", "basic")


@pytest.mark.parametrize("value", ["", " ", "Digest x", "Negotiate", "Server abc", SECRET, "Tokens a b c"])
def test_other_schemes_are_anonymous(value: str) -> None:
    assert credentials_of(request(("Authorization", value))) is None


def test_no_header_is_anonymous() -> None:
    assert credentials_of(request()) is None
    assert credentials_of(request(("X-Charon-API-token", "  "))) is None


def test_the_charon_header_counts_where_authorization_says_nothing() -> None:
    ways = [("Authorization", "Negotiate abc"), ("X-Charon-API-token", SECRET)]
    assert credentials_of(request(*ways)) == Credentials(SECRET, "charon")
    both = [("X-Charon-API-token", "other"), ("Authorization", f"Token {SECRET}")]
    assert credentials_of(request(*both)) == Credentials(SECRET, "token")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("Token", "Invalid token header. No credentials provided."),
        ("Token ", "Invalid token header. No credentials provided."),
        ("bearer", "Invalid token header. No credentials provided."),
        ("Token a b", "Invalid token header. Token string should not contain spaces."),
        ("Bearer a b c", "Invalid token header. Token string should not contain spaces."),
        ("Basic", "Invalid basic header. No credentials provided."),
        ("Basic a b", "Invalid basic header. Credentials string should not contain spaces."),
        ("Basic §§§", "Invalid basic header. Credentials not correctly base64 encoded."),
        ("Basic YQ", "Invalid basic header. Credentials not correctly base64 encoded."),
    ],
)
def test_a_malformed_header_is_refused(value: str, sentence: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        credentials_of(request(("Authorization", value)))
    assert refused.value.detail == sentence
    assert refused.value.headers == {"WWW-Authenticate": "Token"}


@pytest.mark.parametrize(
    "extra",
    [
        [],
        [("Sec-Fetch-Site", "same-origin")],
        [("Sec-Fetch-Site", "same-origin"), ("Origin", "https://data.example.org")],
        [("Sec-Fetch-Site", "none")],
        [("Origin", "https://data.example.org")],
        [("Origin", "https://data.example.org:443")],
    ],
)
def test_basic_may_change_things_from_programs_and_own_pages(extra: list[tuple[str, str]]) -> None:
    found = credentials_of(request(("Authorization", basic(f"ada:{SECRET}")), *extra, method="POST"))
    assert found == Credentials(SECRET, "basic")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "ANY"])
@pytest.mark.parametrize(
    "extra",
    [
        [("Sec-Fetch-Site", "cross-site")],
        [("Sec-Fetch-Site", "same-site"), ("Origin", "https://data.example.org")],
        [("Sec-Fetch-Site", "")],
        [("Origin", "https://evil.example.org")],
        [("Origin", "http://data.example.org")],
        [("Origin", "https://data.example.org:8443")],
        [("Origin", "https://data.example.org.evil.org")],
        [("Origin", "null")],
        [("Origin", "")],
        [("Origin", "https://data.example.org:x")],
    ],
)
def test_basic_may_not_change_things_from_elsewhere(method: str, extra: list[tuple[str, str]]) -> None:
    with pytest.raises(Forbidden, match=r"^A browser may send this with Basic credentials [^.]*\.$"):
        credentials_of(request(("Authorization", basic(f"ada:{SECRET}")), *extra, method=method))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_needs_no_proof(method: str) -> None:
    headers = [("Authorization", basic(f"ada:{SECRET}")), ("Sec-Fetch-Site", "cross-site")]
    assert credentials_of(request(*headers, method=method)) == Credentials(SECRET, "basic")


@pytest.mark.parametrize("scheme", ["Token", "Bearer"])
def test_tokens_need_no_proof(scheme: str) -> None:
    headers = [("Authorization", f"{scheme} {SECRET}"), ("Origin", "https://portal.example.org")]
    assert credentials_of(request(*headers, method="POST")) == Credentials(SECRET, scheme.lower())


def test_a_secret_does_not_show() -> None:
    assert SECRET not in repr(Credentials(SECRET, "token"))
