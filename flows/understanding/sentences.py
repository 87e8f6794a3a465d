"""A whole request in one sentence: who comes, when they were born, where they live.

"Bonjour, je voudrais un rendez-vous pour mon mari, il est né le douze mars quarante-deux, on habite
à Vitré." The sentence is cut at the words that say what follows (`[heard.sentence]` of the
language's file); dates, postcodes and towns are then read by the functions that read them as
answers. Each part is there when it is certain, and else it is not: two dates, two towns, a town of
several départements, a year that could be a child's, a birth date that may be another person's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Generic, Protocol, TypeVar

from flows.understanding import birthday
from flows.understanding.dates import dates
from flows.understanding.digits import phones
from flows.understanding.heard_words import (
    MOST_LETTERS,
    NumberKind,
    heard_words,
    is_unit,
    says_little,
)
from flows.understanding.postcodes import postcodes
from flows.understanding.sentence_parts import (
    BIRTH,
    HEADS,
    HOME,
    MOST_WORDS,
    NUMBERS,
    SELF,
    TWO,
    Cue,
    CutSentence,
    Part,
)
from flows.understanding.sentence_people import (
    SentenceIntent,
    intent_of,
    may_be_of,
    person_after,
    who_comes,
)
from flows.understanding.sounds import in_full
from flows.understanding.town_table import words_of
from flows.understanding.vocabulary import Vocabulary, plain

# Who lives with the caller: where the caller lives, they do.
_AT_HOME: Final = frozenset({"", SELF, TWO, "husband", "wife", "partner", "son", "daughter"})
# Years: a caller who is younger comes with a grown-up, who says it in full.
ADULT: Final = 18
# Below this (INSEE's bound of an urban unit) a name alone is not certain: a recogniser, and people
# who use a short name (Évry, Vire), hit villages that are called so. Their postcode is asked.
_VILLAGE: Final = 2000  # inhabitants
# Unknown words between "né" and the date: "née à Oran en Algérie le".
_MOST_BETWEEN: Final = 6
_WITHIN: Final = frozenset({*NUMBERS, NumberKind.HESITATION, NumberKind.LINK})


class NamedPlace(Protocol):
    """A town to search from."""

    @property
    def postcode(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def inhabitants(self) -> int:
        """0 where not known."""


P_co = TypeVar("P_co", bound=NamedPlace, covariant=True)


class Gazetteer(Protocol[P_co]):
    """What knows towns; `flows.world.World` does."""

    def town(self, postcode: str) -> P_co | None: ...

    def towns(self, text: str) -> tuple[P_co, ...]: ...


@dataclass(frozen=True)
class Request(Generic[P_co]):
    """What one sentence says for certain; what it does not is empty.

    `who` is SELF, TWO, or one of `vocabulary.PEOPLE`. `place` is the town that was named, or the
    main town of the postcode; `postcode` are the digits, where they were said.
    """

    intent: SentenceIntent | None = None
    who: str = ""
    born: date | None = None
    place: P_co | None = None
    postcode: str = ""

    @property
    def says_much(self) -> bool:
        """Whether there is more in it than an answer to "for whom?"."""
        return self.born is not None or self.place is not None


def request_of(
    text: str, vocabulary: Vocabulary, today: date, gazetteer: Gazetteer[P_co]
) -> Request[P_co]:
    """What a caller asks for in one sentence; raises nothing, whatever the text is."""
    if len(text) > MOST_LETTERS:
        return Request()
    sentence = CutSentence(text, vocabulary)
    if not 0 < len(sentence.words) <= MOST_WORDS:
        return Request()
    return _Reader(sentence, today, gazetteer).request()


@dataclass(frozen=True)
class _Island:
    """Numbers that stand together, and all that they can be."""

    start: int
    end: int
    dates: tuple[date, ...] = ()
    codes: tuple[str, ...] = ()
    # Whether something says that it is neither: an age, a street, a telephone number.
    explained: bool = False
    denied: bool = False


@dataclass(frozen=True)
class _Home(Generic[P_co]):
    """A town that was said, and by which words; `places` are all that it may be."""

    cue: Part | None
    places: tuple[P_co, ...]
    # False where other words stand between it and what it would belong to.
    sure: bool = True


class _Reader(Generic[P_co]):
    """Reads the numbers, the birth date and the town of one sentence."""

    def __init__(self, sentence: CutSentence, today: date, gazetteer: Gazetteer[P_co]) -> None:
        self._said, self._today = sentence, today
        self._gazetteer = gazetteer

    def request(self) -> Request[P_co]:
        frame = any(
            part.is_(*BIRTH, *HOME, Cue.BOOK, Cue.MINE, Cue.CODE, Cue.WANTS_SELF, Cue.TWO)
            or (part.is_(Cue.FOR) and person_after(self._said, part))
            for part in self._said.parts
        )
        islands = self._islands()
        # Without such words, a date and a place together are a request.
        if not frame and not any(island.dates for island in islands):
            return Request(intent_of(self._said))
        homes, explained = self._homes(islands)
        homes = self._standing(homes)
        if not frame and not (homes or any(self._is_code(island) for island in islands)):
            return Request(intent_of(self._said))
        who, two = who_comes(self._said)
        born = None if who == TWO or two else self._born(islands, explained, who)
        place, postcode = self._place(homes, islands, who)
        intent = intent_of(self._said)
        if intent is None and (who or born or place) and not self._said.has(Cue.MINE):
            intent = SentenceIntent.BOOK
        return Request(intent, who, born, place, postcode)

    # ------------------------------------------------ numbers

    def _islands(self) -> list[_Island]:
        found = []
        at = 0
        while at < len(self._said.words):
            if not self._is_number(at):
                at += 1
                continue
            end = at + 1
            last = end
            while end < len(self._said.words) and self._goes_on(end):
                end += 1
                if self._is_number(end - 1):
                    last = end
            found += self._read(at, last)
            at = last
        return found

    def _is_number(self, at: int) -> bool:
        part = self._said.part_at[at]
        covered = part.end - part.start > 1 and bool(part.tags - {Cue.FILLER})
        return self._said.words[at].kind in NUMBERS and not covered

    def _goes_on(self, at: int) -> bool:
        part = self._said.part_at[at]
        if part.start == at and part.is_(*HEADS) and self._said.words[at].kind not in NUMBERS:
            return False
        if part.end - part.start > 1 and part.is_(*HEADS):
            return False
        return self._said.words[at].kind in _WITHIN

    def _read(self, start: int, end: int) -> list[_Island]:
        """What these words mean: one thing, or a date and a postcode side by side."""
        unit = end < len(self._said.words) and is_unit(
            self._said.words[end].text, self._said.vocabulary
        )
        text = self._said.words_from(start, end + unit)
        found, codes = self._dates(text), self._codes(text)
        if not found and not codes and (pair := self._in_two(start, end)):
            return pair
        return [
            _Island(
                start,
                end,
                found,
                codes,
                explained=unit or self._is_explained(start, end, text),
                denied=self._kind_before(start) is NumberKind.DENIAL,
            )
        ]

    def _dates(self, text: str) -> tuple[date, ...]:
        return dates(text, self._said.vocabulary, self._today)

    def _codes(self, text: str) -> tuple[str, ...]:
        return postcodes(
            text, self._said.vocabulary, lambda code: self._gazetteer.town(code) is not None
        )

    def _in_two(self, start: int, end: int) -> list[_Island]:
        """A date and a postcode with nothing between, where there is only one way to part them."""
        ways = []
        for middle in range(start + 1, end):
            left, right = self._said.words_from(start, middle), self._said.words_from(middle, end)
            for read, other in ((self._dates, self._codes), (self._codes, self._dates)):
                first, second = read(left), other(right)
                if len(first) == 1 and len(second) == 1 and not other(left) and not read(right):
                    ways.append((read == self._dates, middle, first, second))
        if len({(way[2], way[3]) for way in ways}) != 1:
            return []
        date_first, middle, first, second = ways[0]
        return [
            _island(start, middle, first, is_date=date_first),
            _island(middle, end, second, is_date=not date_first),
        ]

    def _is_explained(self, start: int, end: int, text: str) -> bool:
        after = self._said.part_at[end] if end < len(self._said.words) else None
        if after is not None and after.start == end and after.is_(Cue.COUNTED, Cue.STREET):
            return True
        head = self._said.head_before(start)
        if head is not None and head.is_(Cue.CODE):
            # A postcode that there is not.
            return True
        if self._is_in_street(start) or phones(text, self._said.vocabulary):
            return True
        row = heard_words(text, self._said.vocabulary)
        return says_little([word for word in row if word.kind in NUMBERS])

    def _kind_before(self, start: int) -> NumberKind | None:
        at = start - 1
        while at >= 0 and self._said.words[at].kind is NumberKind.LINK:
            at -= 1
        return self._said.words[at].kind if at >= 0 else None

    def _is_in_street(self, start: int) -> bool:
        """Whether it is the name of a street: "rue du 8 mai 1945"."""
        at = start - 1
        while (
            at >= 0
            and self._said.words[at].kind is NumberKind.LINK
            and not self._said.part_at[at].is_(*HEADS)
        ):
            at -= 1
        return at >= 0 and self._said.part_at[at].is_(Cue.STREET)

    # ------------------------------------------------ the birth date

    def _born(self, islands: Sequence[_Island], explained: set[int], who: str) -> date | None:  # noqa: C901, PLR0911
        told: list[tuple[_Island, date]] = []
        for island in islands:
            if self._is_in_street(island.start) and self._is_explained(
                island.start, island.end, ""
            ):
                continue
            if island.denied:
                return None
            if island.dates and not self._is_code(island):
                if len(island.dates) > 1:
                    return None
                told.append((island, island.dates[0]))
            elif not island.codes and not island.explained and island.start not in explained:
                # A number that belongs to nothing may be a part of the date, or take one back.
                whole = (
                    self._dates(self._said.words_from(told[-1][0].start, island.end))
                    if told
                    else ()
                )
                if len(whole) != 1:
                    return None
                told = [(told[-1][0], whole[0])]
        if not told:
            return None
        island, born = told[-1]
        if len({one for _, one in told}) > 1 and not self._is_repair(told):
            return None
        head = self._said.head_before(island.start)
        birth = head if head is not None and head.is_(*BIRTH) else None
        if birthday(born, ADULT) > self._today or not may_be_of(self._said, who, birth):
            # "Pour ma mère, je suis née le …": whose date is it? And a child comes with a grown-up.
            return None
        return born if self._is_birth(island, explained) else None

    def _is_code(self, island: _Island) -> bool:
        """Whether digits that may be both are a postcode, by what announces them."""
        if not island.codes:
            return False
        head = self._said.head_before(island.start)
        return not island.dates or (head is not None and head.is_(Cue.CODE, *HOME))

    def _is_repair(self, told: Sequence[tuple[_Island, date]]) -> bool:
        """Whether the last date takes the one before back: "pardon, le treize mars"."""
        before, last = told[-2][0], told[-1][0]
        between = [word.kind for word in self._said.words[before.end : last.start]]
        nothing_else = self._said.unknown(before.end, last.start) == 0
        return len(told) == 2 and NumberKind.CORRECTION in between and nothing_else  # noqa: PLR2004

    def _is_birth(self, island: _Island, explained: set[int]) -> bool:
        """Whether a date is that of a birth: announced as one, or with nothing else around it."""
        head = self._said.head_before(island.start)
        start = head.end if head is not None else 0
        if any(
            part.is_(Cue.NOT, Cue.NO_BIRTH) for part in self._said.part_at[start : island.start]
        ):
            return False
        if head is not None and head.is_(*BIRTH):
            return self._said.unknown(start, island.start) <= _MOST_BETWEEN
        end = next(
            (
                part.start
                for part in self._said.parts
                if part.start >= island.end and part.is_(*HEADS)
            ),
            len(self._said.words),
        )
        around = (*range(start, island.start), *range(island.end, end))
        return not any(self._said.unknown(at, at + 1) for at in around if at not in explained)

    # ------------------------------------------------ the town

    def _homes(self, islands: Sequence[_Island]) -> tuple[list[_Home[P_co]], set[int]]:
        """The towns that are told of as homes, and the numbers that belong to their names."""
        homes: list[_Home[P_co]] = []
        explained: set[int] = set()
        taken: set[int] = set()
        for number, part in enumerate(self._said.parts):
            if part.start in taken:
                continue
            weak = part.is_(Cue.TOWARDS) and not part.is_(*HOME)
            head = self._said.head_before(part.start)
            if weak and head is not None and head.is_(*BIRTH):
                # A place of birth.
                continue
            if not weak and not part.is_(*HOME):
                continue
            start = part.start if weak else part.end
            end = self._end_of_place(number + 1, islands)
            taken |= set(range(part.start, end))
            cue = part.is_(*HOME)
            exact = weak or part.start in self._said.weak
            places = self._towns(start, end, islands, exact=exact)
            if places:
                sure = not weak or not self._said.unknown(head.end if head else 0, part.start)
                homes.append(_Home(part if cue else None, places, sure=sure))
                explained |= set(range(start, end))
        if first := self._first(islands):
            homes.append(_Home(None, first))
            explained |= set(range(self._said.parts[0].end))
        for island in islands:
            if island.start not in taken and (island.codes or island.dates):
                places = self._bare(island, islands)
                if places:
                    homes.append(_Home(None, places))
                    explained |= set(range(island.end, self._end_of_place_after(island, islands)))
        return homes, explained

    def _standing(self, homes: list[_Home[P_co]]) -> list[_Home[P_co]]:
        """The homes that no later one takes back: "j'étais à Paris mais j'habite à Chartres"."""
        for at in reversed(range(1, len(homes))):
            cue = homes[at].cue
            if cue is None or cue.start in self._said.weak:
                continue
            # Right before it, or with one word between: "mais maintenant j'habite".
            before = self._said.words[max(0, cue.start - 2) : cue.start]
            if any(word.kind is NumberKind.CORRECTION for word in before):
                return homes[at:]
        return homes

    def _first(self, islands: Sequence[_Island]) -> tuple[P_co, ...]:
        """A town that the sentence begins with, by itself: "Saint-Malo, née le …"."""
        end = min((part.start for part in self._said.parts if part.tags - {Cue.FILLER}), default=0)
        end = min([end or len(self._said.words), *(island.start for island in islands)])
        if not self._said.unknown(0, end):
            return ()
        places = self._gazetteer.towns(self._said.words_from(0, end))
        said = words_of(self._said.words_from(0, end))
        return places if len(places) == 1 and words_of(places[0].name) == said else ()

    def _end_of_place_after(self, island: _Island, islands: Sequence[_Island]) -> int:
        number = next(at for at, part in enumerate(self._said.parts) if part.start >= island.end)
        return self._end_of_place(number, islands)

    def _end_of_place(self, number: int, islands: Sequence[_Island]) -> int:
        """Where a name that begins at this phrase is over."""
        days = {island.start for island in islands if island.dates and not self._is_code(island)}
        for at in range(number, len(self._said.parts)):
            part = self._said.parts[at]
            if part.start in days or (part.is_(*HEADS) and not part.is_(Cue.CODE)):
                return part.start
            if at > number and (part.person or part.is_(Cue.ENDS_PLACE)):
                return part.start
        return len(self._said.words)

    def _towns(
        self, start: int, end: int, islands: Sequence[_Island], *, exact: bool
    ) -> tuple[P_co, ...]:
        """The towns that these words name, by a postcode beside them, too."""
        codes = [
            island for island in islands if start <= island.start < end and self._is_code(island)
        ]
        taken_back = [
            at for at in range(start, end) if self._said.words[at].kind is NumberKind.CORRECTION
        ]
        if taken_back and self._said.unknown(taken_back[0], end):
            # "À Vitré, enfin à côté": two towns, or none.
            last = self._gazetteer.towns(self._said.words_from(taken_back[-1] + 1, end))
            before = self._gazetteer.towns(self._said.words_from(start, taken_back[0]))
            return last if len(last) == 1 else before * 2
        text = " ".join(
            self._said.words_from(*piece)
            for piece in _without(start, end, codes)
            if piece[0] < piece[1]
        )
        said = {code for island in codes for code in island.codes}
        places = self._gazetteer.towns(text) if plain(text) else ()
        if len(said) == 1 and places:
            # "Vitré, 35500": both, if they are of one place.
            both = self._gazetteer.towns(f"{text} {next(iter(said))}")
            return both if len(both) == 1 else places
        if exact:
            return tuple(
                place for place in places if _names(text, place.name, self._said.vocabulary)
            )
        return places

    def _bare(self, island: _Island, islands: Sequence[_Island]) -> tuple[P_co, ...]:
        """A town that stands by itself behind a date or a postcode."""
        at = next(
            (number for number, part in enumerate(self._said.parts) if part.start >= island.end),
            None,
        )
        if at is None or self._said.parts[at].is_(Cue.TOWARDS, *HEADS, Cue.ENDS_PLACE):
            return ()
        start, end = self._said.parts[at].start, self._end_of_place(at, islands)
        if start != island.end or not self._said.unknown(start, end):
            return ()
        if any(start <= other.start < end for other in islands):
            return ()
        text = self._said.words_from(start, end)
        places = self._gazetteer.towns(text) if text else ()
        return tuple(place for place in places if _names(text, place.name, self._said.vocabulary))

    def _place(
        self, homes: Sequence[_Home[P_co]], islands: Sequence[_Island], who: str
    ) -> tuple[P_co | None, str]:
        codes = [island for island in islands if self._is_code(island)]
        said = {island.codes for island in codes}
        if (
            len(said) > 1
            or any(len(readings) > 1 for readings in said)
            or any(island.denied for island in codes)
        ):
            return None, ""
        named = [place for home in homes for place in home.places]
        if any(not home.sure or not self._is_theirs(home, who) for home in homes):
            return None, ""
        if said:
            code = said.pop()[0]
            return self._of_code(code, homes)
        several = any(len(home.places) > 1 for home in homes)
        if several or len({(place.name, place.postcode) for place in named}) != 1:
            return None, ""
        return (None if 0 < named[0].inhabitants < _VILLAGE else named[0]), ""

    def _of_code(self, code: str, homes: Sequence[_Home[P_co]]) -> tuple[P_co | None, str]:
        """The town of a postcode: the one that is named with it, where it has that code."""
        names = {place.name for home in homes for place in home.places}
        if not names:
            return self._gazetteer.town(code), code
        agreeing = [
            town
            for name in names
            for town in self._gazetteer.towns(f"{name} {code}")
            if town.name == name
        ]
        if len(names) != 1 or not agreeing:
            return None, ""
        return agreeing[0], code

    def _is_theirs(self, home: _Home[P_co], who: str) -> bool:
        """Whether it is the home of the person who comes."""
        if home.cue is not None and home.cue.is_(Cue.LIVES_SELF):
            return who in _AT_HOME
        return who == TWO or may_be_of(self._said, who, home.cue)


def _island(
    start: int, end: int, found: Sequence[date] | Sequence[str], *, is_date: bool
) -> _Island:
    if is_date:
        return _Island(start, end, dates=tuple(value for value in found if isinstance(value, date)))
    return _Island(start, end, codes=tuple(value for value in found if isinstance(value, str)))


def _without(start: int, end: int, islands: Sequence[_Island]) -> Iterator[tuple[int, int]]:
    """The stretches of words between islands."""
    at = start
    for island in islands:
        yield at, island.start
        at = island.end
    yield at, end


def _names(text: str, name: str, vocabulary: Vocabulary) -> bool:
    """Whether the words hold the name to the letter, its article aside."""
    said = "".join(in_full(word) for word in plain(text).split())
    words = words_of(name)
    if len(words) > 1 and words[0] in vocabulary.articles:
        words = words[1:]
    return "".join(words) in said
