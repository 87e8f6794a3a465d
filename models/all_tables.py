"""The MetaData with all tables on it, for what looks at them as a whole."""

from __future__ import annotations

import models.accounts.tables
import models.admission.arrivals
import models.agents.tables
import models.attempts
import models.booking.tables
import models.call.tables
import models.centre_day.tables
import models.centres.tables
import models.desk.tables
import models.messages.tables
import models.online.tables
import models.operations.key_canary
import models.operations.processes
import models.operations.provider_records
import models.operations.tables
import models.operations.traces
import models.partners.tables
import models.public.tables
import models.queue.tables
import models.slots.tables
import models.supervision.tables
import models.waiting_list.tables  # noqa: F401 - it is enough that each was imported

from models.tables import metadata

__all__ = ["metadata"]
