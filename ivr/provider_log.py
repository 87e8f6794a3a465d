"""What left and what came, by the provider's own lists. Web workers never load it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import requests

from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from ivr.caller import read_caller
from ivr.messenger import CLOCK_MARGIN, RedirectedHttpClient, translated
from services.ports import ListedCall, ListedText

# The provider's own most in one answer.
_PAGE = 1000
# Texts that have not left have no date to ask by. They are among the newest of all: those are read
# until so many in a row are older.
_OLDER_IN_A_ROW = 200
_OUTBOUND = "outbound"
# What the provider never began to send.
_NOT_SENT = frozenset({"canceled", "scheduled"})


class TwilioLog:
    """The port services.ports.ProviderLog, by the provider's REST."""

    def __init__(self, account_sid: str, auth_token: str, *, api_base_url: str) -> None:
        self._http = RedirectedHttpClient(api_base_url)
        self._client = Client(account_sid, auth_token, http_client=self._http)

    def texts(self, since: datetime) -> Iterator[ListedText]:
        """Oldest last; none is given twice. Raises Refused, Busy, NoAnswer."""
        since -= CLOCK_MARGIN
        listed = self._client.messages
        seen: set[str] = set()
        by_date = listed.stream(date_sent_after=since, page_size=_PAGE)
        for sent in self._read(chain(by_date, self._newest(since))):
            ours = str(sent.direction or "").startswith(_OUTBOUND)
            if sent.sid in seen or not ours or sent.status in _NOT_SENT:
                continue
            seen.add(sent.sid)
            yield ListedText(
                sid=str(sent.sid),
                recipient=str(sent.to or ""),
                body=str(sent.body or ""),
                status=str(sent.status or ""),
                at=_utc(sent.date_sent or sent.date_created),
                error_code=str(sent.error_code or ""),
            )

    def _newest(self, since: datetime) -> Iterator[Any]:
        """Those of all that were made since then, by whatever order the provider lists them."""
        older = 0
        for message in self._client.messages.stream(page_size=_PAGE):
            if _utc(message.date_created) >= since:
                older = 0
                yield message
                continue
            older += 1
            if older >= _OLDER_IN_A_ROW:
                return

    def calls(self, since: datetime) -> Iterator[ListedCall]:
        """Raises Refused, Busy, NoAnswer."""
        since -= CLOCK_MARGIN
        for call in self._read(self._client.calls.stream(start_time_after=since, page_size=_PAGE)):
            is_ours = str(call.direction or "").startswith(_OUTBOUND)
            other = str(call.to or "")
            if not is_ours:
                other, _ = read_caller(str(call._from or ""))  # noqa: SLF001 (it has no other name)
            yield ListedCall(
                sid=str(call.sid),
                other=other if other.startswith(("+", "client:")) else "",
                is_ours=is_ours,
                is_over=call.status == "completed",
                seconds=int(call.duration or 0),
                at=_utc(call.start_time or call.date_created),
            )

    def _read(self, pages: Iterator[Any]) -> Iterator[Any]:
        while True:
            try:
                one = next(pages)
            except StopIteration:
                return
            except (TwilioException, requests.RequestException) as error:
                raise translated(error, self._http) from error
            yield one


def _utc(moment: datetime | None) -> datetime:
    """A date of the provider; one that is not there is that of now, for it is the newest."""
    if moment is None:
        return datetime.now(UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
