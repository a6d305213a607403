"""``make demo``: a service with made-up frames of several sites, and people who may see them or not."""
