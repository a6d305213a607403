"""The archive's rules, by subject."""
