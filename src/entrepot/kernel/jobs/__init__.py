"""Background work: domain state is in the database, a message is a wake-up, a sweep finds what got lost."""

from entrepot.kernel.jobs.job import Job
from entrepot.kernel.jobs.jobs import Jobs, load_engine

__all__ = ["Job", "Jobs", "load_engine"]
