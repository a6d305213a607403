"""The schema's history: one line for both databases."""
