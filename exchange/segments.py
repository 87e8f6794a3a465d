"""How many SMS a text makes: GSM-7 or UCS-2, 160/153 or 70/67 characters each."""

GSM7_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM7_EXTENSION = frozenset("\f^{}\\[~]|€")

GSM7_SINGLE, GSM7_PART = 160, 153
UCS2_SINGLE, UCS2_PART = 70, 67


def segment_count(text: str) -> int:
    """Return the number of SMS that `text` is sent in; an empty text makes none."""
    if all(character in GSM7_BASIC or character in GSM7_EXTENSION for character in text):
        sizes = [2 if character in GSM7_EXTENSION else 1 for character in text]
        return _packed(sizes, GSM7_SINGLE, GSM7_PART)
    sizes = [len(character.encode("utf-16-be")) // 2 for character in text]
    return _packed(sizes, UCS2_SINGLE, UCS2_PART)


def _packed(sizes: list[int], single: int, part: int) -> int:
    """Fill parts in order; a character of two units is never split between two parts."""
    if sum(sizes) <= single:
        return 1 if sizes else 0
    parts, room = 1, part
    for size in sizes:
        if size > room:
            parts, room = parts + 1, part
        room -= size
    return parts
