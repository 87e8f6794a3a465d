"""The telephone exchange: one call, from the first webhook to the status callback.

A call runs by itself until the caller has to do something, at a <Gather>, in a queue or in a
conference; then it waits for `press`, `say`, `silence` or `hang_up`. Time is a clock that is given.
With a switchboard, others can act on it, too: it looks into its mailbox whenever it has listened
or waited, and stops what it does for a redirection or its end.

`caller` is what a caller does, hears and waits for, and `collector` how a <Gather> takes that of a
live one; `call` is the call in hand; `script` plays its documents, with `queueing` for <Enqueue>
and `talking` for <Dial>; `stage` is what these verbs share: sound, time, orders, documents;
`webhooks` sends the requests, and `steps` says where to.
"""

from exchange.interpreter.call import Call
from exchange.interpreter.caller import (
    ConferenceWait,
    Gather,
    HangUp,
    Heard,
    HungUp,
    Input,
    Keys,
    QueueWait,
    Silence,
    Speech,
)
from exchange.interpreter.script import BY_API
from exchange.interpreter.webhooks import API_VERSION, SentRequest

__all__ = [
    "API_VERSION",
    "BY_API",
    "Call",
    "ConferenceWait",
    "Gather",
    "HangUp",
    "Heard",
    "HungUp",
    "Input",
    "Keys",
    "QueueWait",
    "SentRequest",
    "Silence",
    "Speech",
]
