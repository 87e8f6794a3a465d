"""A whole stand-in without threads: its REST paths, a service of documents, callers and time."""

from datetime import UTC, datetime
from typing import Any

from exchange.clock import VirtualClock
from exchange.interpreter import Call
from exchange.rest.app import create_app
from exchange.testing.fixtures import BASE, SID, TOKEN, Documents
from exchange.transport import Outgoing

START = datetime(2021, 2, 1, 9, 0, tzinfo=UTC)
API = f"/2010-04-01/Accounts/{SID}"


class House:
    """`documents` are the service's, by path; see `conftest.Documents`."""

    auth = (SID, TOKEN)

    def __init__(self, settings, documents, **options) -> None:
        self.clock = VirtualClock(START)
        self.service = Documents(documents)
        self.app = create_app(
            settings,
            transport=self.service,
            threads=0,
            clock=self.clock,
            sleep=self.clock.advance,
            **options,
        )
        self.simulator = self.app.extensions["simulator"]
        self.board = self.simulator.switchboard
        self.client = self.app.test_client()

    def rings(self, sender="+33612345678", path="/in", **options) -> Call:
        """Have somebody ring the service, up to where the call waits."""
        return self.call(sender, path, **options).dial()

    def call(self, sender="+33612345678", path="/in", **options) -> Call:
        return Call(
            url=BASE + path,
            status_url=BASE + "/status",
            transport=self.service,
            auth_token=TOKEN,
            account_sid=SID,
            sender=sender,
            clock=self.clock,
            switchboard=self.board,
            **options,
        )

    def post(self, path, status=None, **form) -> Any:
        answer = self.client.post(f"{API}{path}", data=form, auth=self.auth)
        assert status is None or answer.status_code == status, answer.get_data(as_text=True)
        return answer.get_json(silent=True)

    def get(self, path, status=200, **query) -> Any:
        answer = self.client.get(f"{API}{path}", query_string=query, auth=self.auth)
        assert answer.status_code == status, answer.get_data(as_text=True)
        return answer.get_json()

    def delete(self, path) -> int:
        return int(self.client.delete(f"{API}{path}", auth=self.auth).status_code)

    def goes_on(self) -> int:
        return int(self.simulator.run_pending())

    def faults(self, **switches) -> None:
        self.simulator.faults.set(switches)

    def sent(self, path) -> list[Outgoing]:
        """What was sent to a path of the service, in order."""
        where = BASE + path
        return [sent for sent in self.service.sent if sent.url.partition("?")[0] == where]

    def forms(self, path) -> list[dict[str, str]]:
        return [dict(sent.form) for sent in self.sent(path)]

    def events(self, path="/conference") -> list[str]:
        return [form["StatusCallbackEvent"] for form in self.forms(path)]
