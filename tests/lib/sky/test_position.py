"""Positions as people write them."""

import pytest

from entrepot.lib.sky import GeometryError, parse_position

CRAB = (83.6329166666, 22.0144444444)
ORION = (83.6329166666, -5.3911111111)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("83.63,22.01", (83.63, 22.01)),
        (" 83.63 , 22.01 ", (83.63, 22.01)),
        ("83.63,-22.01", (83.63, -22.01)),
        ("83.63,−22.01", (83.63, -22.01)),
        ("83,+22", (83, 22)),
        (".5,-.5", (0.5, -0.5)),
        ("5.,1e1", (5, 10)),
        ("-0.5,90", (-0.5, 90)),
        ("719.5,-90", (719.5, -90)),
        ("0,0", (0, 0)),
        ("05:34:31.9,+22:00:52", CRAB),
        ("5:34:31.9,22:00:52", CRAB),
        ("05 34 31.9, +22 00 52", CRAB),
        ("05 34 31.9, -05 23 28", ORION),
        ("05 34 31.9,- 05 23 28", ORION),
        ("5h34m31.9s,+22d00m52s", CRAB),
        ("5H34M31.9S,+22D00M52S", CRAB),
        ("5h 34m 31.9s, +22d 00m 52s", CRAB),
        ("5h34m31.9s,+22°00′52″", CRAB),
        ("5h34m31.9s,+22°00'52\"", CRAB),
        ("5h34m31.9,+22d00m52", CRAB),
        ("83d37m58.5s,+22d00m52s", CRAB),
        ("05:34:31.9,22.0144444444", CRAB),
        ("83.6329166666,+22:00:52", CRAB),
        ("5h,22d", (75, 22)),
        ("5.5h,22.5d", (82.5, 22.5)),
        ("05:34.5,+22:30", (83.625, 22.5)),
        ("05 34,-00 30", (83.5, -0.5)),
        ("00:00:00,-00:00:36", (0, -0.01)),
        ("24:00:00,90:00:00", (360, 90)),
        ("23:59:59.9999,-89:59:59.9", (359.99999958333, -89.99997222222)),
    ],
)
def test_a_position_is_read(text, position):
    assert parse_position(text) == pytest.approx(position, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "RA,DEC"),
        (",", "RA,DEC"),
        ("83.63", "RA,DEC"),
        ("83.63 22.01", "RA,DEC"),
        ("83.63,", "RA,DEC"),
        (",22.01", "RA,DEC"),
        ("83.63,22.01,5", "RA,DEC"),
        ("foo,bar", "RA,DEC"),
        ("nan,0", "RA,DEC"),
        ("inf,0", "RA,DEC"),
        ("0,inf", "RA,DEC"),
        ("1e999,0", "finite"),
        ("0,1e999", "between -90 and 90"),
        ("0,90.0001", "between -90 and 90"),
        ("0,-91", "between -90 and 90"),
        ("0,90:00:01", "between -90 and 90"),
        ("5:60:00,0", "less than 60"),
        ("5:00:60,0", "less than 60"),
        ("0,5:61", "less than 60"),
        ("24:00:01,0", "24 hours"),
        ("5.5:30:00,0", "RA,DEC"),
        ("5:30.5:10,0", "RA,DEC"),
        ("5:-30:10,0", "RA,DEC"),
        ("5::10,0", "RA,DEC"),
        ("5:30:10:20,0", "RA,DEC"),
        ("5 30 10 20,0", "RA,DEC"),
        ("5h30m10s,5h30m10s", "RA,DEC"),
        ("5s,0", "RA,DEC"),
        ("0x10,0", "RA,DEC"),
        ("--5,0", "RA,DEC"),
        ("١,٢", "RA,DEC"),
        ("1_0,0", "RA,DEC"),
        ("POINT(1 2)", "RA,DEC"),
        ("1" * 200 + ",0", "RA,DEC"),
        ("1 " * 45_000 + ",0", "RA,DEC"),
    ],
)
def test_anything_else_is_refused_in_one_sentence(text, says):
    with pytest.raises(GeometryError) as refused:
        parse_position(text)
    sentence = str(refused.value)
    assert says in sentence
    assert sentence.endswith(".")
    assert len(sentence) < 150
