"""The towns that a sentence means, by the official names and the département.

A name that several towns bear is given for each of them, the largest first, unless the sentence
says which (a département, a region, a number, a postcode) or the others are so small beside it
that one caller in a hundred would mean them; what comes out is read back anyway.
"""

from __future__ import annotations

import re
import unicodedata

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from text_to_num import find_numbers

from flows.understanding.phrases import Lexicon, Token, number_words
from flows.understanding.sounds import in_full, sound
from flows.understanding.town_table import TownName, TownTable, district, words_of
from flows.understanding.vocabulary import Vocabulary, plain

# A town so many times smaller than its namesake is not meant by its name alone.
MUCH_LARGER = 100
# A recogniser spells a large town like a small one of the same sound: both are given.
LARGER_IN_SOUND = 5
SMALL_TOWN = 5000  # inhabitants
# A city is called by its first word alone, as if it were the small town of that name.
WELL_KNOWN = 20_000  # inhabitants
LARGER_BY_FIRST_WORD = 10
# Alike so much (rapidfuzz's ratio) and alike in sound, or alike nearly to the letter.
_ALIKE = 75.0
_NEARLY_SAME = 92.0
_NEARLY_SAME_LETTERS = 8
_FEWEST_LETTERS = 6
_SHORT_NAME = 3
_LONGEST_NAME = 11  # words
_MOST_WORDS = 30
# How many unknown words may stand beside a name: short names are words of other meanings too.
_BESIDE = 2
_BESIDE_SHORT = 1
_SHORT_LETTERS = 5
_MOST_ALIKE = 4
_MOST_NAMESAKES = 12
# "Saint" alone begins 4,000 names.
_MOST_BEGUN = 400
_WORD = re.compile(r"[^\W_]+")
_FIGURES = re.compile(r"([0-9]{1,5})([a-z]{0,4})")
# A name that is spelt out: "B O H A R S", "L-A-O-N".
_LETTERS = re.compile(r"\b[a-z](?:[ .-]+[a-z]\b){3,}")
_POSTCODE_DIGITS = 5
_CEDEX = "cedex"


@dataclass(frozen=True, slots=True)
class _Span:
    """Words that name towns: where they stand, and which towns those are."""

    start: int
    end: int
    towns: tuple[int, ...]


@dataclass(frozen=True)
class _Where:
    """What the sentence says beside the name."""

    departements: frozenset[str]
    numbers: tuple[tuple[int, bool], ...]
    postcodes: frozenset[str]


def towns(text: str, vocabulary: Vocabulary, table: TownTable) -> tuple[TownName, ...]:
    """The towns meant: one, or several where the words mean several, the likeliest first."""
    lower = unicodedata.normalize("NFKC", text).lower()
    spelt = _WORD.findall(_LETTERS.sub(lambda one: re.sub(r"\W", "", one[0]), lower))
    taken_back = [at for at, word in enumerate(spelt) if plain(word) in vocabulary.taken_back]
    if taken_back:
        # "À Brest, enfin à côté, à Guipavas": the last one, where it says in which town.
        last = _sentence(spelt[taken_back[-1] + 1 :], vocabulary, table)
        if last and (found := last.meant(beside=False)):
            return tuple(table.town(at) for at in found)
    sentence = _sentence(spelt, vocabulary, table)
    return tuple(table.town(at) for at in sentence.meant()) if sentence else ()


def _sentence(spelt: Sequence[str], vocabulary: Vocabulary, table: TownTable) -> _Sentence | None:
    """The words without hesitations; None where nothing is left, or too much."""
    kept = [word for word in spelt if plain(word) not in {"", *vocabulary.hesitations}]
    if not 0 < len(kept) <= _MOST_WORDS:
        return None
    return _Sentence(kept, [plain(word) for word in kept], vocabulary, table)


class _Sentence:
    """One sentence on its way to the towns that it means."""

    def __init__(
        self,
        spelt: Sequence[str],
        words: Sequence[str],
        vocabulary: Vocabulary,
        table: TownTable,
    ) -> None:
        self._spelt = spelt
        self._words = words
        self._vocabulary = vocabulary
        self._table = table
        # Of each word: what kind of phrase it belongs to; and where phrases begin.
        self._kinds: list[str] = []
        self._edges = {len(words)}
        for piece in _around(vocabulary).cut(words):
            kind = next((tag for tag in ("near", "not", "around") if piece.is_(tag)), "")
            self._edges.add(len(self._kinds))
            self._kinds += [kind] * len(piece.words)
        self._number_words = {at for at, word in enumerate(words) if _FIGURES.fullmatch(word)}
        self._number_words |= number_words(spelt, vocabulary.language)
        for at in self._number_words:
            self._kinds[at] = self._kinds[at] or "around"
        self._places = self._named_places()
        self._in_places = {at for start, end, _ in self._places for at in range(start, end)}

    def meant(self, *, beside: bool = True) -> list[int]:
        """The towns; `beside`: also one that the caller only lives near, or a name misheard."""
        spans = self._spans()
        strong = [span for span in spans if not self._is_weak(span)]
        strong = strong or [span for span in spans if self._is_all(span)]
        if not beside and len(self._close(strong)) == len(strong):
            return []
        if not strong:
            return self._misheard()
        if any(self._goes_on(span) for span in strong):
            return self._misheard()
        if self._left(strong) > self._allowed(strong):
            return []
        where = self._where(strong)
        close = self._close(strong)
        there = [span for span in strong if span not in close]
        around = {self._table.departement(at) for span in close for at in span.towns}
        found: list[int] = []
        for span in there or close:
            settled = self._settled(span.towns, where) or self._longer(span, where)
            if there and len(settled) > 1:
                settled = [at for at in settled if self._table.departement(at) in around] or settled
            found += self._with_well_known(
                span.start, span.end, self._with_alike(span, self._likely(settled), where), where
            )
        return list(dict.fromkeys(found))

    def _close(self, spans: Sequence[_Span]) -> list[_Span]:
        """The towns that the caller only lives near; what is joined to one is another."""
        close: list[_Span] = []
        for span in spans:
            between = self._words[close[-1].end : span.start] if close else []
            joined = bool(between) and set(between) <= self._vocabulary.joiners
            if joined or self._kind_before(span) == "near":
                close.append(span)
        return close

    def _goes_on(self, span: _Span) -> bool:
        """Whether a word that nothing explains comes right after: the name may be a longer one."""
        at = span.end
        while at < len(self._words) and self._kinds[at] and len(self._words[at]) <= _SHORT_NAME:
            at += 1
        return (
            at < len(self._words)
            and not self._kinds[at]
            and at not in self._number_words | self._in_places
            and not self._table.called(in_full(self._words[at]))
        )

    def _longer(self, span: _Span, where: _Where) -> list[int]:
        """The few towns of a département whose names begin like this: "Saint-Aubin" of three."""
        if not where.departements and not where.numbers:
            return []
        settled = self._settled(self._begun(span.start, span.end), where)
        return settled if len(settled) <= _MOST_ALIKE else []

    def _begun(self, start: int, end: int) -> list[int]:
        """The towns whose names begin with these words and have more."""
        said = [in_full(word) for word in self._words[start:end]]
        said[0] = self._vocabulary.contractions.get(said[0], said[0])
        longer: list[int] = []
        begun = self._table.beginning("".join(said))
        if len(begun) > _MOST_BEGUN:
            return longer
        for at in begun:
            words = words_of(self._table.name(at))
            if len(words) > len(said) and words[: len(said)] == said:
                longer.append(at)
        return longer

    def _with_well_known(self, start: int, end: int, rows: list[int], where: _Where) -> list[int]:
        """With cities that are called by their first words: "Bourg", "Clermont", "La Baule"."""
        table = self._table
        most = max((table.inhabitants(at) for at in rows), default=0)
        begun = self._settled(self._begun(start, end), where)
        least = max(most * LARGER_BY_FIRST_WORD, WELL_KNOWN)
        largest = max((table.inhabitants(at) for at in begun), default=0)
        known = [at for at in begun if table.inhabitants(at) >= least]
        if not rows and len(begun) == 1 and len("".join(self._words[start:end])) >= _FEWEST_LETTERS:
            known = begun
        elif not rows and known:
            # No town is called exactly that: all that the caller may mean by it.
            known = [at for at in begun if table.inhabitants(at) * MUCH_LARGER >= largest]
            known = known if len(known) <= _MOST_NAMESAKES else []
        return sorted(rows + known, key=lambda at: -table.inhabitants(at)) if known else rows

    # ------------------------------------------------ names to the letter

    def _spans(self) -> list[_Span]:
        """The names in the sentence, none inside another, none that is denied."""
        found: list[_Span] = []
        # First as names are divided into words, then as a recogniser may divide them.
        for divided in (True, False):
            for start, end in self._stretches():
                if any(self._covers(span, start, end, divided=divided) for span in found):
                    continue
                if not divided and self._overlaps(_Span(start, end, ())):
                    continue
                rows = [
                    at
                    for at in self._rows(start, end)
                    if self._is_divided(start, end, at) == divided
                ]
                rows = [at for at in rows if self._sounds(start, end, at, strict=True)] or [
                    at for at in rows if self._sounds(start, end, at)
                ]
                if rows:
                    found.append(_Span(start, end, tuple(rows)))
        found = [span for span in found if not self._is_place(span, found)]
        return sorted(
            (
                span
                for span in found
                if self._kind_before(span) != "not" and not self._is_determined(span.start)
            ),
            key=lambda span: span.start,
        )

    def _is_determined(self, start: int) -> bool:
        """Whether an article that is not the town's own stands before it: "ma fille"."""
        words = self._vocabulary
        before = self._words[start - 1] if start else ""
        return before in words.articles | words.determiners or before in words.contractions

    def _stretches(self) -> Iterator[tuple[int, int]]:
        """Where a name may stand, the longest first; none cuts a phrase at its end."""
        count = len(self._words)
        for size in range(min(count, _LONGEST_NAME), 0, -1):
            for start in range(count - size + 1):
                if start + size in self._edges:
                    yield start, start + size

    def _covers(self, span: _Span, start: int, end: int, *, divided: bool) -> bool:
        if divided:
            return span.start <= start and end <= span.end
        return span.start < end and start < span.end

    def _is_divided(self, start: int, end: int, at: int) -> bool:
        """Whether the words are those of the name."""
        words = list(self._words[start:end])
        words[0] = self._vocabulary.contractions.get(words[0], words[0])
        return [in_full(word) for word in words] == words_of(self._table.name(at))

    def _rows(self, start: int, end: int) -> range:
        letters = "".join(in_full(word) for word in self._words[start:end])
        rows = self._table.called(letters)
        first = self._vocabulary.contractions.get(self._words[start])
        if not rows and first and end - start > 1:
            rest = "".join(in_full(word) for word in self._words[start + 1 : end])
            rows = self._table.called(first + rest)
        return rows

    def _sounds(self, start: int, end: int, at: int, *, strict: bool = False) -> bool:
        """Whether accents, where any are written, agree: "rène" is no René.

        `strict`: where none are, too: a "fille" is hardly ever Fillé.
        """
        spelt = list(self._spelt[start:end])
        spelt[0] = self._vocabulary.contractions.get(spelt[0], spelt[0])
        name = _WORD.findall(self._table.name(at).lower())
        return (
            (not strict and all(word.isascii() for word in spelt))
            or len(spelt) != len(name)
            or (sound(spelt) == sound(name))
        )

    def _is_place(self, span: _Span, found: Sequence[_Span]) -> bool:
        """Whether it means a land and not the town of that name: beside a town, or better known."""
        inside = [
            place for place in self._places if place[0] <= span.start and span.end <= place[1]
        ]
        others = [
            other
            for other in found
            if other is not span and not self._is_weak(other) and not self._overlaps(other)
        ]
        if not inside:
            return False
        start, end, codes = inside[0]
        if end - start > span.end - span.start:
            return True
        better_known = all(
            self._table.inhabitants(at) < SMALL_TOWN and self._table.departement(at) not in codes
            for at in span.towns
        )
        return bool(others) or self._says_area(start) or better_known

    def _overlaps(self, span: _Span) -> bool:
        return any(start < span.end and span.start < end for start, end, _ in self._places)

    def _says_area(self, start: int) -> bool:
        """Whether the words before say that a land follows: "en", "dans le"."""
        before = tuple(self._words[max(0, start - 3) : start])
        return any(before[-len(phrase) :] == phrase for phrase in self._vocabulary.before_areas)

    def _is_weak(self, span: _Span) -> bool:
        """A name that is a word of every day, or hardly a word."""
        letters = sum(len(word) for word in self._words[span.start : span.end])
        return (
            letters < _SHORT_NAME
            or all(self._kinds[span.start : span.end])
            or not self._sounds(span.start, span.end, span.towns[0], strict=True)
        )

    def _is_all(self, span: _Span) -> bool:
        """Whether nothing else is said, or only that the caller lives there: "à Mer"."""
        before = self._words[: span.start]
        if self._words[span.end :] or not {span.start, span.end} <= self._edges:
            return False
        if not before:
            return True
        article = self._words[span.start] in self._vocabulary.articles
        return (
            before[-1] in self._vocabulary.at_towns
            and not article
            and all(self._kinds[: span.start])
        )

    def _kind_before(self, span: _Span) -> str:
        """What stands before a name: "near", "not" or "around", looking past small words."""
        at = span.start - 1
        while at >= 0 and self._kinds[at] == "around" and len(self._words[at]) < _SHORT_NAME + 1:
            at -= 1
        kind = self._kinds[at] if at >= 0 else "around"
        in_town = self._vocabulary.at_towns - self._vocabulary.links
        if kind == "near" and in_town & set(self._words[at + 1 : span.start]):
            # "À côté, à Guipavas".
            return "around"
        return kind if kind in {"near", "not"} else "around"

    def _left(self, spans: Sequence[_Span]) -> int:
        """How many words nothing explains."""
        known = {at for span in spans for at in range(span.start, span.end)}
        known |= self._in_places | self._number_words
        return sum(not kind and at not in known for at, kind in enumerate(self._kinds))

    def _allowed(self, spans: Sequence[_Span]) -> int:
        longest = max(len("".join(self._words[span.start : span.end])) for span in spans)
        return _BESIDE if longest >= _SHORT_LETTERS else _BESIDE_SHORT

    # ------------------------------------------------ which of the namesakes

    def _named_places(self) -> list[tuple[int, int, frozenset[str]]]:
        found = []
        at = 0
        for piece in self._table.places.cut(self._words):
            end = at + len(piece.words)
            codes = next((tag for tag in piece.tags if isinstance(tag, frozenset)), None)
            if codes and (len(piece.words) > 1 or not self._kinds[at] or self._says_area(at)):
                found.append((at, end, codes))
            at = end
        return found

    def _where(self, spans: Sequence[_Span]) -> _Where:
        taken = {at for span in spans for at in range(span.start, span.end)}
        ends = {span.end for span in spans}
        departements: frozenset[str] = frozenset()
        for start, end, codes in self._places:
            after = start in ends or self._words[start - 1] in self._vocabulary.at_towns
            street = self._kind_before(_Span(start, end, ())) == "not"
            if taken & set(range(start, end)) or street:
                continue
            if after or self._says_area(start):
                departements = departements & codes if departements else codes
        numbers = [
            one
            for at, one in self._numbers()
            if at not in taken and (one[1] or one[0] >= 1000 or at in ends or self._says_area(at))  # noqa: PLR2004
        ]
        postcodes = [str(one).zfill(_POSTCODE_DIGITS) for one, _ in numbers if one >= 1000]  # noqa: PLR2004
        small = tuple(number for number in numbers if number[0] < 1000)  # noqa: PLR2004
        return _Where(departements, small, frozenset(postcodes))

    def _numbers(self) -> list[tuple[int, tuple[int, bool]]]:
        """Where numbers stand, what they are, and whether each is an ordinal."""
        found = []
        inside: set[int] = set()
        tokens = [Token(word) for word in self._spelt]
        for number in find_numbers(tokens, self._vocabulary.language, threshold=0):
            if any(self._spelt[at].isdecimal() for at in range(number.start, number.end)):
                continue
            inside |= set(range(number.start, number.end))
            found.append((number.start, (int(number.value), number.is_ordinal)))
        for at, word in enumerate(self._words):
            figures = _FIGURES.fullmatch(word)
            if at in inside or figures is None or (at and self._words[at - 1] == _CEDEX):
                continue
            ordinal = figures[2] in self._vocabulary.ordinal_endings
            if not figures[2] or ordinal:
                found.append((at, (int(figures[1]), ordinal)))
        return _joined(sorted(found))

    def _settled(self, rows: Iterable[int], where: _Where) -> list[int]:
        """The towns of a name that agree with all else that was said; maybe none."""
        table = self._table
        left = list(rows)
        if where.postcodes:
            left = [at for at in left if where.postcodes & set(table.postcodes(at))]
        if where.departements:
            left = [at for at in left if table.departement(at) in where.departements]
        for number, ordinal in where.numbers:
            left = self._numbered(left, number, ordinal=ordinal)
        return left

    def _numbered(self, rows: list[int], number: int, *, ordinal: bool) -> list[int]:
        """By a number: the district of a town, or the département."""
        table = self._table
        code = f"{number:02d}"
        there = [at for at in rows if table.departement(at) in {code, *_CORSICA.get(code, ())}]
        districts = [at for at in rows if district(table.name(at)) == number]
        if districts and (ordinal or not there):
            return districts
        if districts and there:
            # "Marseille, dans le 13": the département or the district?
            return there
        if there:
            return there
        # A number that is no département is a street's or an age.
        return [] if table.has_area(code) and not ordinal else rows

    def _likely(self, rows: Iterable[int]) -> list[int]:
        """The largest first, without those that hardly any caller would mean."""
        table = self._table
        unique = list(dict.fromkeys(rows))
        if len(unique) < 2:  # noqa: PLR2004
            return unique
        most = max(table.inhabitants(at) for at in unique)
        kept = [at for at in unique if table.inhabitants(at) * MUCH_LARGER >= most]
        return sorted(kept, key=lambda at: (-table.inhabitants(at), district(table.name(at)), at))

    # ------------------------------------------------ names misheard

    def _with_alike(self, span: _Span, rows: list[int], where: _Where) -> list[int]:
        """With larger towns that sound the same: a recogniser spells as it likes."""
        table = self._table
        most = max((table.inhabitants(at) for at in rows), default=0)
        if not rows or most >= SMALL_TOWN:
            return rows
        spelt = self._spelt[span.start : span.end]
        letters = table.key(rows[0])
        larger = [
            at
            for _, at in table.like(letters, _ALIKE)
            if table.inhabitants(at) >= max(most, 1) * LARGER_IN_SOUND
            and table.key(at) != letters
            and self._sounds_like(spelt, at)
        ]
        return sorted(rows + self._settled(larger, where), key=lambda at: -table.inhabitants(at))

    def _sounds_like(self, spelt: Sequence[str], at: int) -> bool:
        """Whether a town's name sounds like these words; without accents, it may have any."""
        name = _WORD.findall(self._table.name(at).lower())
        said = sound(spelt)
        return said == sound(name) or (
            all(word.isascii() for word in spelt) and said == sound([plain(word) for word in name])
        )

    def _misheard(self) -> list[int]:
        """The towns that sound like what nothing else explains."""
        explained = self._number_words | self._in_places
        unknown = [at for at, kind in enumerate(self._kinds) if not kind and at not in explained]
        if not unknown or "not" in self._kinds:
            return []
        start, end = unknown[0], unknown[-1] + 1
        if set(range(start, end)) & explained or "near" in self._kinds[start:end]:
            return []
        where = self._where([_Span(start, end, ())])
        if not self._is_determined(start):
            return self._alike(start, end, where)
        # Only a name with the article that was said.
        article = self._words[start - 1]
        article = self._vocabulary.contractions.get(article, article)
        return [
            at
            for at in self._alike(start - 1, end, where)
            if plain(self._table.name(at)).split()[0] == article
        ]

    def _alike(self, start: int, end: int, where: _Where) -> list[int]:
        table = self._table
        letters = "".join(in_full(word) for word in self._words[start:end])
        if len(letters) < _FEWEST_LETTERS:
            return self._with_well_known(start, end, [], where)
        spelt = self._spelt[start:end]
        found = table.like(letters, _ALIKE)
        same = [at for _, at in found if self._sounds_like(spelt, at)]
        if not same and len(letters) >= _NEARLY_SAME_LETTERS:
            same = [at for score, at in found if score >= _NEARLY_SAME]
        begun = self._settled(self._begun(start, end), where)
        # A name that is short for a longer one is no other that only sounds like it: "Camaret".
        settled = self._likely(
            begun if 0 < len(begun) <= _MOST_NAMESAKES else self._settled(same, where)
        )
        settled = self._with_well_known(start, end, settled, where)
        return settled if len({table.key(at) for at in settled}) <= _MOST_NAMESAKES else []


_CORSICA = {"20": ("2A", "2B")}


def _joined(numbers: list[tuple[int, tuple[int, bool]]]) -> list[tuple[int, tuple[int, bool]]]:
    """With "neuf trois" as 93: digits of a département, one by one."""
    joined: list[tuple[int, tuple[int, bool]]] = []
    last = -1
    for at, (number, ordinal) in numbers:
        if joined and at == last + 1 and number < 10 and 0 < joined[-1][1][0] < 10 and not ordinal:  # noqa: PLR2004
            joined[-1] = (joined[-1][0], (joined[-1][1][0] * 10 + number, False))
        else:
            joined.append((at, (number, ordinal)))
        last = at
    return joined


@lru_cache
def _around(vocabulary: Vocabulary) -> Lexicon:
    dates = [tuple(name.split()) for name in (*vocabulary.months, *vocabulary.weekdays)]
    return Lexicon(
        ("near", vocabulary.near_towns),
        ("not", vocabulary.negators),
        ("not", vocabulary.streets),
        ("around", vocabulary.around_towns),
        ("around", vocabulary.fillers),
        ("around", dates),
    )
