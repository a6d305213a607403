"""The rules for what people type: usernames, names of tokens, project keys."""

from __future__ import annotations

import unicodedata

from entrepot.kernel.errors import InvalidInput

__all__ = ["fold", "is_fit", "project_key", "token_name", "username_of"]

LONGEST_USERNAME, LONGEST_TOKEN_NAME, LONGEST_PROJECT = 150, 100, 200
UNFIT_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def is_fit(text: str, longest: int) -> bool:
    """Tell whether ``text`` could be a name: of 1 to ``longest`` characters, all of them to be seen."""
    return (
        0 < len(text) <= longest
        and text == text.strip()
        and not any(unicodedata.category(character) in UNFIT_CATEGORIES for character in text)
    )


def username_of(text: str) -> str:
    """Give the name as it is stored (composed characters); raises InvalidInput where it can't be one."""
    composed = unicodedata.normalize("NFC", text)
    if not is_fit(composed, LONGEST_USERNAME):
        raise InvalidInput(_sentence("A username", LONGEST_USERNAME), where="username")
    return composed


def fold(username: str) -> str:
    """Give what two names have in common that would be taken for the same."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", username).casefold())


def token_name(text: str) -> str:
    """Check the name of a token; raises InvalidInput."""
    if not is_fit(text, LONGEST_TOKEN_NAME):
        raise InvalidInput(_sentence("A token's name", LONGEST_TOKEN_NAME), where="name")
    return text


def project_key(text: str) -> str:
    """Check the key of a project; raises InvalidInput."""
    if not is_fit(text, LONGEST_PROJECT):
        raise InvalidInput(_sentence("A project's key", LONGEST_PROJECT), where="project")
    return text


def _sentence(what: str, longest: int) -> str:
    return f"{what} has 1 to {longest} characters, without control characters and without spaces at its ends."
