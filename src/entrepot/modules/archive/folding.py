"""Text as it is searched."""

from anyascii import anyascii

__all__ = ["fold"]


def fold(text: str) -> str:
    """Fold text to ASCII, as names of targets are searched: ``Ω Cen`` and ``O Cen`` are one."""
    return anyascii(text)
