"""The facility's systems, each a room of its own."""
