"""The provider's queues, which hold the callers of ours: made and sized by REST, never by default.

A queue that a document names into being would hold a hundred or a thousand, as the provider likes.
"""

from __future__ import annotations

from models.queue import queues
from services.ports import Busy, CallControl, NoAnswer, ProviderRefused
from services.store import Store


def make_queues(
    store: Store, control: CallControl, *, anew: bool = False
) -> tuple[list[str], list[str]]:
    """Make what is not made, with its size; `anew`: set the size of all. Gives (made, not made).

    Raises nothing for what a provider or a network can do: callers are held without it, too, for
    they are taken by their call where the queue's id is not known.
    """
    with store.database.statement() as connection:
        wanted = [one for one in queues.all_queues(connection) if anew or one.provider_sid is None]
    made, failed = [], []
    for one in wanted:
        try:
            sid = control.make_queue(one.id, one.max_size)
        except (ProviderRefused, Busy, NoAnswer):
            failed.append(one.id)
            continue
        with store.database.transaction() as connection:
            queues.set_queue(connection, store.clock, one.id, provider_sid=sid)
        made.append(one.id)
    return made, failed
