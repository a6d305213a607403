"""Password hashes: argon2id by pwdlib, two at a time, off the event loop."""

from __future__ import annotations

import asyncio
import os
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import structlog
from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError

from entrepot.kernel.errors import InvalidInput

__all__ = ["check_password", "hash_password", "verify_password"]

log = structlog.stdlib.get_logger(__name__)

SHORTEST, LONGEST = 8, 1024
AT_ONCE = 2
"""Hashes computed at the same time; each takes 64 MiB."""


def check_password(password: str) -> None:
    """Raise InvalidInput unless the password may be set."""
    if len(password) < SHORTEST:
        raise InvalidInput(f"A password has at least {SHORTEST} characters.", where="password")
    if len(password) > LONGEST:
        raise InvalidInput(f"A password has at most {LONGEST:,} characters.", where="password")
    if not _is_text(password):
        raise InvalidInput("The password has characters that are not Unicode text.", where="password")


async def hash_password(password: str) -> str:
    """Give the hash to store."""
    return await asyncio.get_running_loop().run_in_executor(_threads(os.getpid()), _hash, password)


async def verify_password(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Tell whether ``password`` has the hash ``stored``, and the hash that should replace it, if any.

    Without ``stored`` (nobody by that name, or no password) the same work is done in vain, so the time
    taken doesn't tell who has an account.
    """
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads(os.getpid()), _verify, password, stored)


def _hash(password: str) -> str:
    return _hasher().hash(_composed(password))


def _verify(password: str, stored: str | None) -> tuple[bool, str | None]:
    if stored and len(password) <= LONGEST and _is_text(password):
        try:
            return _hasher().verify_and_update(_composed(password), stored)
        except UnknownHashError:
            log.error("a stored password hash is of no known kind")
    _hash("in vain")
    return False, None


def _composed(password: str) -> str:
    """Give the one spelling of what keyboards and systems compose differently."""
    return unicodedata.normalize("NFKC", password)


def _is_text(password: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in password)


@cache
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@cache
def _threads(_process: int) -> ThreadPoolExecutor:
    # A process of its own after each fork: threads don't come along.
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")
