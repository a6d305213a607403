"""Which files are found below folders, and in what order."""

from pathlib import Path

import pytest

from entrepot.modules.archive.service.records import rules_of
from entrepot.modules.archive.service.walking import Extent, Found, measure, walk
from entrepot.modules.archive.settings import ArchiveSettings


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.fits", "a.fits.fz", "c/1.fits", "c/d/2.fits", "e.fits/3.fits", "z.fits", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 10)
    for name in (".hidden.fits", ".git/4.fits"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def _files(tree: Path, **options: int) -> list[str]:
    found = walk([tree], **options)
    return [str(one.path.relative_to(tree)) for one in found if not one.passed_over and not one.trouble]


@pytest.mark.parametrize("at_once", [1, 2, 3, 8, 9, 100_000])
def test_files_come_in_the_order_of_their_names(tree: Path, at_once: int) -> None:
    expected = ["a.fits.fz", "b.fits", "c/1.fits", "c/d/2.fits", "e.fits/3.fits", "z.fits"]
    assert _files(tree, names_at_once=at_once) == expected


def test_the_others_are_passed_over(tree: Path) -> None:
    passed = [one.path.name for one in walk([tree]) if one.passed_over]
    assert passed == [".git", ".hidden.fits", "notes.txt"]


def test_what_is_named_is_found_whatever_its_name(tree: Path) -> None:
    named = [tree / "notes.txt", tree / ".hidden.fits", tree / ".git"]
    assert [one.path.name for one in walk(named) if not one.passed_over] == [
        "notes.txt",
        ".hidden.fits",
        "4.fits",
    ]


def test_links_are_followed_but_not_in_circles(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "5.fits").write_bytes(b"")
    (tree / "c" / "up").symlink_to(tree)
    (tree / "c" / "here").symlink_to(".")
    (tree / "c" / "other").symlink_to(other)
    (tree / "dangling.fits").symlink_to("nowhere")
    (tree / "loop").symlink_to("loop")
    assert _files(tree) == [
        "a.fits.fz",
        "b.fits",
        "c/1.fits",
        "c/d/2.fits",
        "c/other/5.fits",
        "dangling.fits",
        "e.fits/3.fits",
        "z.fits",
    ]


def test_a_folder_that_vanishes_is_told_of_and_the_rest_comes(tree: Path) -> None:
    walking = walk([tree])
    while next(walking).path.name != "b.fits":
        pass
    for path in (tree / "c" / "d" / "2.fits", tree / "c" / "1.fits"):
        path.unlink()
    (tree / "c" / "d").rmdir()
    (tree / "c").rmdir()
    rest = list(walking)
    assert rest[0] == Found(tree / "c", trouble="The folder can't be listed: No such file or directory.")
    assert [one.path.name for one in rest[1:]] == ["3.fits", "notes.txt", "z.fits"]


def test_what_isnt_there_is_told_of(tmp_path: Path) -> None:
    [found] = walk([tmp_path / "nothing"])
    assert found.trouble == "There is no such file or folder."


def test_counting(tree: Path) -> None:
    extent = Extent()
    measure([tree, tree / "notes.txt"], extent)
    assert (extent.files, extent.size, extent.whole) == (7, 70, True)


def test_a_count_that_nobody_wants_ends(tree: Path) -> None:
    extent = Extent(unwanted=True)
    measure([tree], extent)
    assert (extent.files, extent.whole) == (0, False)


@pytest.fixture
def described(tmp_path: Path) -> Path:
    for name in (
        "a.pdf", "a.pdf.json", "b.jpg", "b.json", "c.png", "d.pdf.json", "e.h5", "e.h5.json", "f.json",
        "g.json.json", "g.json", "x.tar.gz", "y.v1.tar.gz", "y.v1.fits.gz",
    ):  # fmt: skip
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ("", ["a.pdf", "b.jpg", "x.tar.gz", "y.v1.fits.gz"]),
        (".h5=described,.pdf=refused", ["b.jpg", "e.h5", "x.tar.gz", "y.v1.fits.gz"]),
        (".json=described", ["a.pdf", "b.jpg", "g.json", "x.tar.gz", "y.v1.fits.gz"]),
        (".v1.tar.gz=tar,.fits.gz=refused", ["a.pdf", "b.jpg", "x.tar.gz", "y.v1.tar.gz"]),
    ],
)
def test_files_are_found_by_their_class_and_described_ones_with_their_description(
    described: Path, classes: str, expected: list[str]
) -> None:
    rules = rules_of(ArchiveSettings(file_classes=classes), {})
    assert [one.path.name for one in walk([described], rules) if not one.passed_over] == expected
    extent = Extent()
    measure([described], extent, rules)
    assert extent.files == len(expected)
