"""The archive's commands."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TextColumn

from entrepot.kernel.errors import EntrepotError
from entrepot.kernel.module import Opener
from entrepot.lib.fits import Card
from entrepot.modules.archive.posted import read_frame
from entrepot.modules.archive.service.intake import Intake, Outcome, Verdict
from entrepot.modules.archive.service.reader import COLLECTED
from entrepot.modules.archive.service.records import Rules
from entrepot.modules.archive.service.walking import Extent, measure
from entrepot.modules.archive.settings import ArchiveSettings

__all__ = ["mount_commands"]

EXAMPLE = (
    "Example: entrepot ingest /data/2026-03-04 --report refused.jsonl; "
    "entrepot ingest --in-place /data/frames"
)
JOBS = 8
SHOWN = 20
"""Refused files that the summary names."""
LINE_SECONDS = 10.0
BAR_SECONDS = 0.25
INTERRUPTED = 130

KEYWORD = re.compile(r"[A-Z0-9_-]{1,8}")
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[Ee][+-]?[0-9]+)?")


def mount_commands(app: typer.Typer) -> None:
    """Add the archive's commands to the command line."""
    app.command("ingest", epilog=EXAMPLE)(ingest)


def ingest(
    context: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Files and folders.", show_default=False)
    ],
    in_place: Annotated[
        bool,
        typer.Option(
            "--in-place",
            help="Leave the files where they are, below ENTREPOT_ARCHIVE_ROOTS, and serve them from there.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and write nothing.")
    ] = False,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEYWORD=VALUE",
            help="A header card, for files that lack it or have it wrong; may be repeated.",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, max=64, help="Batches of files in hand at the same time.")
    ] = JOBS,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Write what is refused, and why, as JSON lines.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object for each file.", show_default=False)
    ] = False,
) -> None:
    """File FITS files and others straight into the catalogue and the store.

    It works beside a running server. Folders are searched; hidden ones and
    files of no known kind are passed over. A file whose bytes are there
    already is skipped, so the same command resumes a run that was stopped.

    With --in-place nothing is copied: files that lie below one of the folders
    of ENTREPOT_ARCHIVE_ROOTS are served from where they are, which all
    servers must be able to read. They are never changed, moved or deleted.

    The exit code is 0 if nothing was refused, else 1.
    """
    cards = _cards(given or ())
    with _open_report(report) as lines:
        account = Account(sys.stdout if as_json else None, lines, in_place=in_place, dry_run=dry_run)
        try:
            stopped = asyncio.run(_ingest(context.obj, paths, cards, account, jobs=jobs))
        except EntrepotError:
            if account.counts:
                account.close(stopped=True)
            raise
    account.close(stopped=stopped)
    if stopped:
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(1 if account.counts[Verdict.REFUSED] else 0)


def _cards(given: Sequence[str]) -> dict[str, Card]:
    """Read KEYWORD=VALUE: a number where it looks like one, text in single quotes is always text."""
    cards: dict[str, Card] = {}
    for item in given:
        name, equals, value = item.partition("=")
        keyword, value = name.strip().upper(), value.strip()
        if not equals or not KEYWORD.fullmatch(keyword) or not value.isprintable():
            raise typer.BadParameter(
                f"{item!r} isn't KEYWORD=VALUE, as in PROPID=LCO2026A-001.", param_hint="'--set'"
            )
        if NUMBER.fullmatch(value):
            cards[keyword] = float(value) if re.search("[.Ee]", value) else int(value)
        else:
            quoted = len(value) > 1 and value[0] == value[-1] == "'"
            cards[keyword] = value[1:-1].replace("''", "'") if quoted else value
    return cards


@contextmanager
def _open_report(path: Path | None) -> Generator[TextIO | None]:
    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(
            f"{path} can't be written: {error.strerror or error}.", param_hint="'--report'"
        ) from error
    with file:
        yield file


# What the run tells --------------------------------------------------------------------------------


class Account:
    """What has become of the files so far, and the words for it."""

    def __init__(
        self, json_to: TextIO | None, report: TextIO | None, *, in_place: bool, dry_run: bool
    ) -> None:
        self.counts: Counter[Verdict] = Counter()
        self.size = 0
        self._refused: list[Outcome] = []
        self._json = json_to
        self._report = report
        self.in_place = in_place
        self.dry_run = dry_run
        self._start = time.monotonic()

    @property
    def prints_json(self) -> bool:
        """Whether standard output gets JSON."""
        return self._json is not None

    @property
    def files(self) -> int:
        """The files that have been dealt with."""
        return self.counts.total() - self.counts[Verdict.PASSED_OVER]

    @property
    def seconds(self) -> float:
        """The time since the start."""
        return max(time.monotonic() - self._start, 0.001)

    def tell(self, outcome: Outcome) -> None:
        """Take note of an outcome."""
        self.counts[outcome.verdict] += 1
        self.size += outcome.size
        if outcome.verdict is Verdict.PASSED_OVER:
            return
        line = json.dumps(_members(outcome)) + "\n"
        if self._json:
            self._json.write(line)
            self._json.flush()
        if outcome.verdict is Verdict.REFUSED:
            if self._report:
                self._report.write(line)
            if len(self._refused) < SHOWN:
                self._refused.append(outcome)

    def close(self, *, stopped: bool) -> None:
        """Print the summary."""
        say = partial(typer.echo, err=self.prints_json)
        say(self._summary())
        for outcome in self._refused:
            say(f"  {_shown(outcome.path)}: {outcome.reason}")
        if (more := self.counts[Verdict.REFUSED] - len(self._refused)) > 0:
            say(f"  … and {more:,} more; --report FILE lists them all.")
        if stopped:
            typer.echo("Stopped. The same command goes on from here: what is there is skipped.", err=True)

    def _summary(self) -> str:
        counts = self.counts
        frames, versions = counts[Verdict.NEW_FRAME], counts[Verdict.NEW_VERSION]
        filed = f"{_plural(frames, 'new frame')}, {_plural(versions, 'new version')}"
        parts = [
            f"{frames + versions:,} {self._done()} ({filed})",
            f"{counts[Verdict.ALREADY]:,} already there",
            f"{counts[Verdict.REFUSED]:,} refused",
        ]
        if counts[Verdict.PASSED_OVER]:
            parts.append(f"{counts[Verdict.PASSED_OVER]:,} passed over (hidden, or of no known kind)")
        return f"{', '.join(parts)}; {decimal(self.size)} in {_clock(self.seconds)}."

    def _done(self) -> str:
        done = "registered in place" if self.in_place else "filed"
        return f"would be {done}" if self.dry_run else done


def _members(outcome: Outcome) -> dict[str, object]:
    return {
        "path": os.fspath(outcome.path),
        "outcome": outcome.verdict.value,
        "filename": outcome.filename,
        "frame": outcome.frame,
        "md5": outcome.md5,
        "size": outcome.size,
        "reason": outcome.reason,
    }


def _shown(path: Path) -> str:
    """Write a path so that a terminal can show it, whatever is in it."""
    text = os.fspath(path)
    return text if text.isprintable() else ascii(text)


def _plural(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _clock(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


# How far it is -------------------------------------------------------------------------------------


def _rates(account: Account, extent: Extent) -> str:
    """Say how fast it goes and, once all is counted, how long it will take."""
    text = f"{decimal(int(account.size / account.seconds))}/s, {account.files / account.seconds:,.0f} files/s"
    if not extent.whole or not account.files:
        return f"{text}, counting"
    done = account.size / extent.size if extent.size else account.files / extent.files
    left = account.seconds * (1 / done - 1) if 0 < done <= 1 else 0.0
    return f"{text}, {_clock(left)} left"


async def _show_lines(account: Account, extent: Extent) -> None:
    while True:
        await asyncio.sleep(LINE_SECONDS)
        of = f" of {extent.files:,}" if extent.whole else ""
        typer.echo(
            f"{account.files:,}{of} files, {decimal(account.size)}, {_rates(account, extent)}", err=True
        )


async def _show_bar(account: Account, extent: Extent) -> None:
    columns = (BarColumn(), TextColumn("{task.description}"))
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as progress:
        task = progress.add_task("", total=None)
        while True:
            progress.update(
                task,
                total=extent.size if extent.whole else None,
                completed=account.size,
                description=f"{account.files:,} files, {_rates(account, extent)}",
            )
            await asyncio.sleep(BAR_SECONDS)


@asynccontextmanager
async def _showing(
    paths: Sequence[Path], account: Account, rules: Rules, *, bar: bool
) -> AsyncGenerator[None]:
    """Show how far it is while the context lasts."""
    extent = Extent()

    async def count() -> None:
        # A short run that shows nothing yet needn't know how much there is.
        await asyncio.sleep(0 if bar else LINE_SECONDS / 2)
        await asyncio.to_thread(measure, paths, extent, rules)

    counting = asyncio.create_task(count())
    show = _show_bar if bar else _show_lines
    showing = asyncio.create_task(show(account, extent))
    try:
        yield
    finally:
        extent.unwanted = True
        showing.cancel()
        counting.cancel()
        await asyncio.gather(showing, counting, return_exceptions=True)


# The run -------------------------------------------------------------------------------------------


async def _ingest(
    opened: Opener,
    paths: Sequence[Path],
    cards: Mapping[str, Card],
    account: Account,
    *,
    jobs: int,
) -> bool:
    """Run the intake; True if it was stopped by a signal."""
    gc.freeze()
    gc.set_threshold(*COLLECTED)
    async with opened() as process:
        archive = process.settings.section("archive", ArchiveSettings)
        intake = Intake(
            process,
            check=partial(read_frame, settings=archive),
            tell=account.tell,
            jobs=jobs,
            given=cards,
            in_place=account.in_place,
            dry_run=account.dry_run,
        )
        bar = sys.stderr.isatty() and not (account.prints_json and sys.stdout.isatty())
        async with _showing(paths, account, intake.rules, bar=bar):
            return await _until_stopped(intake, paths)


async def _until_stopped(intake: Intake, paths: Sequence[Path]) -> bool:
    """Go through the files; the first signal lets those in hand be finished, the second ends at once."""
    run = asyncio.create_task(intake.run(paths))

    def stop() -> None:
        if intake.stopped:
            run.cancel()
        else:
            intake.stop()
            typer.echo("Stopping when the files in hand are filed; Ctrl-C again stops at once.", err=True)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    await asyncio.wait([run])
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)
    if not run.cancelled():
        run.result()
    return intake.stopped
