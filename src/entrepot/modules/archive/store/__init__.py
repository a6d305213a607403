"""All of the archive's SQL; it gives models, never rows."""
