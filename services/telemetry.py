"""Counters and histograms of the service; gauges are read from the database at scrape time.

Workers are several processes: prometheus-client adds them up when PROMETHEUS_MULTIPROC_DIR is set.
No label ever carries personal data or an unbounded set of values.
"""

from __future__ import annotations

from prometheus_client import Counter, Histogram

CALLS = Counter("allo_calls_total", "Calls that rang", ["caller"])
CALLS_ENDED = Counter("allo_calls_ended_total", "Calls that ended", ["status"])
TURNS = Counter("allo_turns_total", "Turns answered, by the step they led to", ["step", "outcome"])
TURN_SECONDS = Histogram(
    "allo_turn_seconds",
    "Time to answer a telephone webhook",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
TURNS_REPLAYED = Counter("allo_turns_replayed_total", "Copies of a webhook, answered as before")
FAILURES = Counter("allo_failures_total", "Telephone webhooks that failed inside", ["error"])
REFUSED = Counter("allo_refused_total", "Requests refused for their signature", ["reason"])
UNREAD = Counter("allo_unread_total", "Requests closed because they did not come whole", ["reason"])
BOOKINGS = Counter("allo_bookings_total", "Confirmed bookings", ["channel"])
REACH = Counter(
    "allo_reach_total",
    "Bookings beyond a limit, whose number is not proved, and what followed",
    ["result"],
)
HOLDS_GIVEN_UP = Counter(
    "allo_holds_given_up_total",
    "Holds of visits beyond the share of a browser or number; of an address: refused",
    ["kind"],
)
TOO_QUICK = Counter(
    "allo_too_quick_total", "Answers on the site that came sooner than a person reads", ["step"]
)
UNKNOWN_NUMBERS = Counter(
    "allo_unknown_number_calls_total",
    "Calls to a number that NUMBERS_FILE does not have",
    ["number"],
)
PROMISES = Counter("allo_promises_total", "Promises to call back")
CALLBACKS = Counter(
    "allo_callbacks_total",
    "What calls to keep a promise came to, and promises that were given up",
    ["result"],
)
PERSON_ASKED = Counter("allo_person_asked_total", "Calls that asked for a person")
PERSON_REACHED = Counter(
    "allo_person_reached_total", "Calls that asked for a person and came to one", ["outcome"]
)
# There from the start: a share of nothing would never be too small.
PERSON_REACHED.labels("promise")
PERSON_REACHED.labels("agent")
QUEUE_JOINED = Counter("allo_queue_joined_total", "Calls that came into the line", ["queue"])
QUEUE_LEFT = Counter("allo_queue_left_total", "Calls that left the line", ["result"])
MESSAGES = Counter("allo_messages_total", "Tries to deliver a message", ["kind", "result"])
INTENTS = Counter("allo_intents_total", "Questions to the provider", ["kind", "result"])
GIVEN_WAY = Counter(
    "allo_given_way_total", "Requests turned away so that the telephone is answered", ["kind"]
)
GATE_ANSWERS = Counter("allo_gate_answers_total", "Answers that cost no application", ["kind"])
ROOM_TICKETS = Counter("allo_room_tickets_total", "Tickets of the waiting room")
SIGN_INS = Counter("allo_sign_ins_total", "Tries of staff to sign in", ["result"])
SERVER_ERRORS = Counter(
    "allo_server_errors_total", "Answers of the site and the screens with a status of 5xx", ["kind"]
)
TASKS = Counter("allo_tasks_total", "Tasks that scheduler and dispatcher did", ["task", "result"])
TASK_SECONDS = Counter("allo_task_seconds_total", "Seconds that tasks took", ["task"])
JOBS = Counter("allo_jobs_total", "Jobs that workers did", ["result"])
