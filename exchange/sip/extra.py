"""Whether the packages of the extra are here, without loading one of them."""

from importlib.util import find_spec
from typing import Final

# What is imported of requirements/sip.txt. The voice is not among them: espeak-ng may speak.
MODULES: Final = ("aiortp", "aiosipua", "audioop", "miniaudio")


def missing() -> list[str]:
    """Return the modules that are not here; none when `make sip` has been run."""
    return [name for name in MODULES if find_spec(name) is None]


def is_installed() -> bool:
    """Return whether telephones can ring here."""
    return not missing()
