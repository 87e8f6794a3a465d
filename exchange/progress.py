"""What is told of a call that is not answered yet, never was, or ended where nobody can tell it."""

import threading

from exchange.callbacks import Callbacks
from exchange.calls import CallRecord
from exchange.clock import Clock

SIP_CODES = {"busy": "486", "no-answer": "487", "failed": "404"}


class Progress:
    """Sends status callbacks of calls by their records, which number them; safe between threads."""

    def __init__(self, callbacks: Callbacks, clock: Clock) -> None:
        self._callbacks, self._clock = callbacks, clock
        self._lock = threading.Lock()

    def tell(self, record: CallRecord, status: str, seconds: int = 0) -> None:
        """Tell a status of Twilio's, once; of one that ends a call, after how many `seconds`."""
        event = status if status in {"initiated", "ringing"} else "completed"
        if not record.status_url or event not in record.status_events:
            return
        with self._lock:
            number, record.sequence = record.sequence, record.sequence + 1
        form = record.progress(status, number, self._clock.now(), seconds)
        if status in SIP_CODES:
            form["SipResponseCode"] = SIP_CODES[status]
        self._callbacks.once(record.status_url, form)
