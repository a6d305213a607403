"""Entrepôt: one service for a scientific facility's data."""

__version__ = "0.1.0"
