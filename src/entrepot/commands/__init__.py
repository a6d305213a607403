"""The commands of the kernel, by subject; each file has a ``mount`` that adds its own."""
