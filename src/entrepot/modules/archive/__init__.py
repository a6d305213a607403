"""The science archive: frames, their versions, search and download."""
