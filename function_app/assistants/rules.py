"""Rules for ids and texts. Pure functions that return all problems and raise nothing."""

import re

MAX_ID_CHARACTERS = 64
# A string property of an Azure table row holds at most 64 KiB of UTF-16. The extension deletes the
# old rows before it inserts the new ones, so a longer text costs the conversation and fails.
MAX_TEXT_UNITS = 32_768

# The extension puts the id into an OData filter without escaping it, so a quote in an id deletes
# the rows of other assistants. The route has the same rule (paths.py).
ID = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_ID_CHARACTERS}}}")
# What XML 1.0 does not call a character; XML was the table service's first format. Such a character would
# be refused, if at all, after the old rows are gone, and a lone surrogate has no UTF-8 form.
_NOT_STORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def utf16_units(text: str) -> int:
    """The length as .NET and the table service count it: a character above U+FFFF counts as two."""
    return len(text) + sum(character > "\uffff" for character in text)


def text_problems(text: str, max_units: int = MAX_TEXT_UNITS) -> list[str]:
    """Why this text cannot be stored, each as the end of a sentence. `max_units` is in UTF-16 units."""
    problems: list[str] = []
    units = utf16_units(text)
    if units > max_units:
        problems.append(f"has {units} UTF-16 code units: the maximum is {max_units}")
    if character := _NOT_STORABLE.search(text):
        problems.append(
            f"contains U+{ord(character.group()):04X} at position {character.start()}: control characters"
            " other than tab, line feed and carriage return, lone surrogates, U+FFFE and U+FFFF cannot be"
            " stored"
        )
    return problems


def message_problems(message: str) -> list[str]:
    """Why this text cannot be a user's message, each as the end of a sentence."""
    # The extension rejects an empty message with a 500 without a body; it accepts white space.
    return text_problems(message) if message else ["must not be empty"]
