"""What happened, kept as rows that are written with the change itself."""

from entrepot.kernel.events.jobs import prune_job
from entrepot.kernel.events.store import record, record_all
from entrepot.kernel.events.tables import events

__all__ = ["events", "prune_job", "record", "record_all"]
