from __future__ import annotations

from email.message import Message
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.kernel.web import content_disposition, safe_filename


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a-1.fits.fz", 'attachment; filename="a-1.fits.fz"'),
        ("with space.fits", 'attachment; filename="with space.fits"'),
        ('a"b.fits', "attachment; filename=\"a_b.fits\"; filename*=UTF-8''a%22b.fits"),
        ("50%.fits", "attachment; filename=\"50_.fits\"; filename*=UTF-8''50%25.fits"),
        ("été.fits", "attachment; filename=\"ete.fits\"; filename*=UTF-8''%C3%A9t%C3%A9.fits"),
        ("../../etc/passwd", 'attachment; filename=".._.._etc_passwd"'),
        ("C:\\x.exe", 'attachment; filename="C:_x.exe"'),
        ("a\r\nSet-Cookie: x", 'attachment; filename="a__Set-Cookie: x"'),
        ("a\u202efits.exe", 'attachment; filename="a_fits.exe"'),
        ("a\u2028b\u2029c.fits", 'attachment; filename="a_b_c.fits"'),
        ("a\u3000b.fits", 'attachment; filename="a b.fits"'),
        ("..", 'attachment; filename="file"'),
        ("", 'attachment; filename="file"'),
        ("\ud800.fits", 'attachment; filename="_.fits"'),
    ],
)
def test_names(name, header) -> None:
    assert content_disposition(name) == header


def test_inline() -> None:
    assert content_disposition("a.jpg", inline=True) == 'inline; filename="a.jpg"'


@given(st.text())
def test_any_name_is_one_safe_header_value(name) -> None:
    header = content_disposition(name)
    assert header.isascii()
    assert header.isprintable()
    plain, _, extended = header.partition("; filename*=UTF-8''")
    message = Message()
    message["Content-Disposition"] = plain
    assert message.get_content_disposition() == "attachment"
    told = (
        unquote(extended, errors="strict")
        if extended
        else message.get_param("filename", header="content-disposition")
    )
    assert told == safe_filename(name)


@given(st.text())
def test_safe_names_are_one_path_part(name) -> None:
    safe = safe_filename(name)
    assert safe not in ("", ".", "..")
    assert not set("/\\\0\n\r") & set(safe)
    assert safe_filename(safe) == safe
