"""Telephones that register: who they prove to be (digest, RFC 7616 and 8760), and where they are.

Only names and passwords of the plan count. A nonce is ours, for one address and five minutes, and
each use of it has a higher count than the one before, so that nothing heard can be said again.
"""

import hashlib
import hmac
import re

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from aiosipua.headers import parse_auth

from exchange.sip.settings import Account
from exchange.sip.wire_messages import Refused, Request, contact_uri, parameters, user_of
from exchange.sip.wire_parts import Buckets, Cancellable, Contact, Limits, Times

REALM: Final = "allo-rendez-vous"
# Seconds: how old a nonce may be; what a registration may last, and what it lasts where the
# telephone does not say.
NONCE_S: Final = 300.0
SHORTEST, LONGEST, USUAL = 30, 3600, 3600
Algorithm = Literal["MD5", "SHA-256"]
_HASHES: Final[Mapping[str, str]] = {"MD5": "md5", "SHA-256": "sha256"}
_NONCE: Final = re.compile(r"([0-9a-f]{12})([0-9a-f]{16})([0-9a-f]{32})")
_COUNT: Final = re.compile(r"[0-9a-fA-F]{8}")
_SECONDS: Final = re.compile(r"[0-9]{1,10}")
_CREDENTIALS: Final = 2048


class Guard:
    """Finds out who sent a request."""

    def __init__(
        self,
        accounts: Mapping[str, Account],
        *,
        times: Times,
        random: Callable[[int], bytes],
        limits: Limits,
        algorithms: Sequence[Algorithm],
    ) -> None:
        self._accounts, self._times, self._random = accounts, times, random
        self._secret = random(32)
        # Stands in for a password that there is none of: refusing takes as long.
        self._nobody = random(16).hex()
        self._algorithms, self._most = algorithms, limits.nonces
        self._used: OrderedDict[str, int] = OrderedDict()
        # Nonces made before this are not taken: what became of them is forgotten.
        self._since = -1
        self._guesses = Buckets(limits.guesses, limits.guess_burst, limits.sources, now=times.now)

    def __len__(self) -> int:
        return len(self._used)

    def proven(self, request: Request, name: str) -> None:
        """Return if the request proves to come from that account.

        Raises Refused: 401 with a challenge, or 403 where name or password are wrong (it is not
        told which) or where too many were.
        """
        given = self._credentials(request)
        host = request.peer.host
        if not self._guesses.take(host, 0):
            raise Refused(403)
        if given is None:
            raise self._challenge(host, stale=False)
        made = self._made(given.get("nonce", ""), host)
        if made is None:
            raise self._challenge(host, stale=True)
        if not self._right(request, name, given):
            self._guesses.take(host)
            raise Refused(403)
        # Only now, so that nobody else can use up somebody's count.
        if not self._fresh(given["nonce"], int(given["nc"], 16), made):
            raise self._challenge(host, stale=True)

    @staticmethod
    def _credentials(request: Request) -> dict[str, str] | None:
        for told in request.message.get_header_values("authorization"):
            if len(told) > _CREDENTIALS:
                raise Refused(400)
            parsed = parse_auth(told, credentials=True)
            params = {key.lower(): value for key, value in parsed.params.items()}
            if parsed.scheme.lower() == "digest" and params.get("realm") == REALM:
                return params
        return None

    def _challenge(self, host: str, *, stale: bool) -> Refused:
        """Return the refusal with one header for each algorithm, in the plan's order."""
        nonce = self._nonce(host)
        more = ", stale=true" if stale else ""
        told = [
            f'Digest realm="{REALM}", nonce="{nonce}", algorithm={name}, qop="auth"{more}'
            for name in self._algorithms
        ]
        return Refused(401, [("WWW-Authenticate", one) for one in told])

    def _nonce(self, host: str) -> str:
        head = f"{int(self._times.now() * 1000) & 0xFFFFFFFFFFFF:012x}{self._random(8).hex()}"
        return head + self._sealed(head, host)

    def _sealed(self, head: str, host: str) -> str:
        return hmac.new(self._secret, f"{head} {host}".encode(), "sha256").hexdigest()[:32]

    def _made(self, nonce: str, host: str) -> int | None:
        """Return when we made it (ms); None where it is not ours, for another, or too old."""
        found = _NONCE.fullmatch(nonce)
        if not found or not hmac.compare_digest(found[3], self._sealed(found[1] + found[2], host)):
            return None
        made = int(found[1], 16)
        age = self._times.now() * 1000 - made
        return made if made > self._since and age <= NONCE_S * 1000 else None

    def _fresh(self, nonce: str, count: int, made: int) -> bool:
        if count <= self._used.get(nonce, 0) or made <= self._since:
            return False
        self._used.pop(nonce, None)
        # Again at the end: the one that was not used for longest is forgotten.
        self._used[nonce] = count
        if len(self._used) > self._most:
            forgotten, _ = self._used.popitem(last=False)
            self._since = max(self._since, int(forgotten[:12], 16))
        return True

    def _right(self, request: Request, name: str, given: Mapping[str, str]) -> bool:
        account = self._accounts.get(name)
        algorithm = given.get("algorithm", "MD5").upper()
        count, client = given.get("nc", ""), given.get("cnonce", "")
        if algorithm not in self._algorithms or given.get("qop", "").lower() != "auth":
            return False
        if not _COUNT.fullmatch(count) or not client or given.get("username") != name:
            return False

        def digest(text: str) -> str:
            return hashlib.new(_HASHES[algorithm], text.encode()).hexdigest()

        password = account.password if account else self._nobody
        who = digest(f"{name}:{REALM}:{password}")
        what = digest(f"{request.method}:{given.get('uri', '')}")
        wanted = digest(f"{who}:{given['nonce']}:{count}:{client}:auth:{what}")
        said = given.get("response", "").lower()
        return hmac.compare_digest(wanted.encode(), said.encode()) and account is not None


@dataclass
class _Binding:
    contact: Contact
    until: float
    call_id: str
    cseq: int


class Registrar:
    """Where each account's telephones are; `changed` is called when one comes or goes."""

    def __init__(
        self,
        guard: Guard,
        *,
        times: Times,
        limits: Limits,
        reaches: Callable[[Contact], bool],
        changed: Callable[[], None],
    ) -> None:
        self._guard, self._times = guard, times
        self._most, self._reaches, self._changed = limits.bindings, reaches, changed
        self._bindings: dict[str, dict[str, _Binding]] = {}
        self._known: frozenset[str] = frozenset()
        self._timer: Cancellable | None = None

    def __len__(self) -> int:
        return sum(map(len, self._bindings.values()))

    def contact(self, name: str) -> Contact | None:
        """Return the telephone that registered last under that name, as far as it is there."""
        for binding in reversed(list(self._bindings.get(name, {}).values())):
            if binding.until > self._times.now() and self._reaches(binding.contact):
                return binding.contact
        return None

    def knows(self, contact: Contact) -> bool:
        bindings = self._bindings.get(contact.account, {}).values()
        now = self._times.now()
        return any(one.contact == contact and one.until > now for one in bindings)

    def registered(self) -> frozenset[str]:
        """Return the accounts with a telephone; of any thread."""
        return self._known

    def register(self, request: Request) -> list[tuple[str, str]]:
        """Do what a REGISTER asks, and return the headers of the 200. Raises Refused."""
        name = user_of(request.first("to"))
        self._guard.proven(request, name)
        wanted = list(self._wanted(request))
        bindings = self._bindings.setdefault(name, {})
        for one in bindings.values():
            if one.call_id == request.call_id and request.cseq <= one.cseq:
                # Overtaken by a later one (RFC 3261 §10.3, step 7).
                raise Refused(500)
        now = self._times.now()
        for uri, seconds in wanted:
            # Again at the end: the one that came last is the one that rings.
            bindings.pop(uri, None)
            if seconds:
                contact = Contact(name, uri, request.peer)
                bindings[uri] = _Binding(contact, now + seconds, request.call_id, request.cseq)
        while len(bindings) > self._most:
            del bindings[next(iter(bindings))]
        self.look()
        left = self._bindings.get(name, {}).values()
        return [
            ("Contact", f"<{one.contact.uri}>;expires={round(one.until - now)}") for one in left
        ]

    def _wanted(self, request: Request) -> Iterator[tuple[str, int]]:
        """Give each telephone and for how many seconds; all of them with 0 for a `*`."""
        contacts = request.message.get_header_values("contact")
        header = request.first("expires").strip()
        if "*" in contacts:
            if contacts != ["*"] or header != "0":
                raise Refused(400)
            name = user_of(request.first("to"))
            yield from ((uri, 0) for uri in list(self._bindings.get(name, {})))
            return
        if len(contacts) > self._most:
            raise Refused(403)
        for told in contacts:
            uri = contact_uri(told)
            behind = told.rpartition(">")[2] if ">" in told else ""
            said = parameters(behind).get("expires", header) or str(USUAL)
            if not uri or not _SECONDS.fullmatch(said):
                raise Refused(400)
            seconds = int(said)
            if 0 < seconds < SHORTEST:
                raise Refused(423, [("Min-Expires", str(SHORTEST))])
            yield uri, min(seconds, LONGEST)

    def look(self) -> None:
        """Forget whoever's time is over or whose connection is gone, and tell what changed."""
        now = self._times.now()
        for name, bindings in list(self._bindings.items()):
            for uri, one in list(bindings.items()):
                if one.until <= now or not self._reaches(one.contact):
                    del bindings[uri]
            if not bindings:
                del self._bindings[name]
        self.stop()
        untils = [one.until for all_of in self._bindings.values() for one in all_of.values()]
        if untils:
            self._timer = self._times.later(min(untils) - now, self.look)
        known = frozenset(self._bindings)
        if known != self._known:
            self._known = known
            self._changed()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
