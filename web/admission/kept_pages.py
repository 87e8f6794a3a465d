"""Pages that are the same for all, from memory where possible, else from the application.

Only what `web.cacheable` marks as the same for all is kept (`kept_answers`), by its path and by the
part of its query that says which page it is. So a meaningless query cannot get past the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from werkzeug.test import run_wsgi_app

from services.admission.load_shedder import LoadShedder
from web.admission import kept_answers
from web.admission.crowd import CrowdAnswers
from web.admission.kept_answers import CachedAnswer, KeptAnswers
from web.admission.parts import Environ, LedgerTally, Wsgi, language_of
from web.admission.waiting_room import START
from web.online.asked_centre import NOTHING, asked_in

# First pages of booking at a centre that are kept, and their bytes.
MOST_CENTRES: Final = 64
MOST_CENTRES_BYTES: Final = 500_000
_CONDITIONS: Final = frozenset({"HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE"})


class PagesForAll:
    """One memory for each worker. `web` answers what the load shedder has let in."""

    def __init__(
        self,
        web: Wsgi,
        load_shedder: LoadShedder,
        crowd: CrowdAnswers,
        tally: LedgerTally,
        store_hangs: Callable[[], bool] = lambda: False,
    ) -> None:
        self._web = web
        self._store_hangs = store_hangs
        self._load_shedder, self._crowd, self._tally = load_shedder, crowd, tally
        self.ticks: Callable[[], float] = load_shedder.ticks
        self.kept = KeptAnswers()
        # Clients can ask for any number of centres: these pages push none out of the other memory.
        self.kept_for_centres = KeptAnswers(MOST_CENTRES, MOST_CENTRES_BYTES)

    def fresh(self, path: str, environ: Environ, start_response: Any) -> Iterable[bytes] | None:
        """The page of a GET, where it is fresh in memory; else None."""
        memory, query = self._what_counts(path, environ["QUERY_STRING"])
        kept = memory.get(f"{path}?{query}")
        if kept is None or self.ticks() >= kept.fresh_until:
            return None
        return self._from_memory(kept, environ, start_response)

    def answer(self, path: str, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """The page of a GET or HEAD."""
        memory, query = self._what_counts(path, environ.get("QUERY_STRING", ""))
        # The application is asked for the address under which the copy is kept. Otherwise a visitor
        # who writes an address in another way could have all others shown a different page.
        environ["QUERY_STRING"] = query
        key = f"{path}?{query}"
        kept = memory.get(key)
        if kept is not None:
            now = self.ticks()
            if now < kept.fresh_until:
                return self._from_memory(kept, environ, start_response)
            if now < kept.stale_until:
                if self._store_hangs() or not kept.renewing.acquire(blocking=False):
                    return self._from_memory(kept, environ, start_response)
                try:
                    return self._fetch(memory, key, kept, environ, start_response)
                finally:
                    kept.renewing.release()
            if now < kept.usable_until and self._store_hangs():
                # The next one would be waited for in vain.
                return self._from_memory(kept, environ, start_response)
        return self._fetch(memory, key, kept, environ, start_response)

    def _what_counts(self, path: str, query: str) -> tuple[KeptAnswers, str]:
        """Where a page is kept, and what of its query says which page it is."""
        if not query:
            return self.kept, ""
        if path.startswith("/assets/"):
            # The version of a file is a part of its name.
            return self.kept, next((part for part in query.split("&") if part.startswith("v=")), "")
        language = language_of(query)
        asked = asked_in(query) if path == START else NOTHING
        special = asked.centre or asked.service
        return (self.kept_for_centres if special else self.kept), asked.query(language)

    def _from_memory(
        self, kept: CachedAnswer, environ: Environ, start_response: Any
    ) -> Iterable[bytes]:
        self._tally.counts["gate", "kept"] += 1
        return kept_answers.answer(kept, environ, start_response)

    def _fetch(
        self,
        memory: KeptAnswers,
        key: str,
        old: CachedAnswer | None,
        environ: Environ,
        start_response: Any,
    ) -> Iterable[bytes]:
        if not self._load_shedder.web_begins(goes_on=False):
            if old is not None and self.ticks() < old.usable_until:
                return self._from_memory(old, environ, start_response)
            return self._crowd.answer(environ, start_response, "page")
        # Whole, whatever this browser has: others have not.
        whole = {name: value for name, value in environ.items() if name not in _CONDITIONS}
        whole["REQUEST_METHOD"] = "GET"
        chunks, status, answered = run_wsgi_app(self._web, whole, buffered=True)
        body, headers, now = b"".join(chunks), list(answered), self.ticks()
        new = memory.put(key, status, headers, body, now)
        if new is not None:
            return self._from_memory(new, environ, start_response)
        if status.startswith("5") and old is not None and now < old.usable_until:
            return self._from_memory(old, environ, start_response)
        start_response(status, headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]
