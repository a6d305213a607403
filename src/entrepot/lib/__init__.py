"""Libraries that know nothing of the service: no HTTP, no SQL."""
