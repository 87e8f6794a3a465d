"""Have the provider delete what it keeps of people that we have erased: their texts and calls.

Its ids wait in rows until it has said that they are gone; nothing else of a person is left by then.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from models.operations import provider_records
from services.ports import Busy, NoAnswer, ProviderRecords, ProviderRefused
from services.store import Store

# Records of one run.
MOST = 500
# A record that was refused, as a call that has not ended is, or not answered for.
LATER = timedelta(hours=6)
# Where the provider asks for a pause and does not say how long.
PAUSE = timedelta(minutes=5)

log = structlog.get_logger()


def erase_at_provider(
    store: Store, records: ProviderRecords, *, most: int = MOST, request_id: str | None = None
) -> int:
    """Ask for up to `most` records to be deleted; gives how many are gone.

    It stops where the provider wants a pause. What fails is tried again, for as long as it takes.
    `request_id`: only those of that erasure, and now, whenever they were to be tried again.
    """
    with store.database.statement() as connection:
        found = provider_records.due(connection, store.clock, limit=most, request_id=request_id)
    done = 0
    for sid in found:
        later, code = LATER, ""
        try:
            records.delete(sid)
        except Busy as busy:
            later, code = busy.after or PAUSE, busy.code
        except ProviderRefused as refused:
            code = refused.code
        except NoAnswer:
            code = "no answer"
        with store.database.transaction() as connection:
            if not code:
                provider_records.gone(connection, sid)
                done += 1
                continue
            provider_records.put_off(connection, store.clock, sid, later, code)
        log.warning("not deleted at the provider", code=code)
        if later != LATER:
            break
    return done
