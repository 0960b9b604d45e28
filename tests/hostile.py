"""Ids and texts that mean harm, or that trip up who reads them carelessly. Valid ids are not among them."""

from hypothesis import strategies as st

VICTIM = "victim"

IDS = {
    "empty": "",
    "blank": " ",
    "quote": "x'",
    "double quote": 'x"',
    "doubled quote": "x''",
    "or": f"x' or PartitionKey eq '{VICTIM}",
    "or not": f"x' or PartitionKey ne '{VICTIM}",
    "or not, closed": "x' or not (PartitionKey eq 'x') or 'a' eq 'a",
    "ge": "x' or PartitionKey ge '",
    "row": "' or RowKey eq 'state",
    "true": "' or true or '",
    "number": "0 or 1 eq 1",
    "comment": "x' -- ",
    "tab for a blank": f"x'\tor\tPartitionKey\teq\t'{VICTIM}",
    "two keys": f"{VICTIM}',RowKey='state",
    "parameter": "@id",
    "escaped quote": "x%27",
    "escaped or": f"x%27%20or%20PartitionKey%20eq%20%27{VICTIM}",
    "escaped twice": "x%2527",
    "escaped victim": "%76ictim",
    "wide quote": f"x\uff07 or PartitionKey eq \uff07{VICTIM}",
    "curly quote": f"x\u2019 or PartitionKey eq \u2019{VICTIM}",
    "newline before": f"\n{VICTIM}",
    "newline behind": f"{VICTIM}\n",
    "carriage return": f"{VICTIM}\r\n",
    "line separator": f"{VICTIM}\u2028",
    "next line": f"{VICTIM}\x85",
    "header": f"{VICTIM}\r\nx-functions-key: x",
    "NUL": f"{VICTIM}\x00",
    "escape": "\x1b[2J",
    "delete": "a\x7f",
    "backslash": "a\\b",
    "hash": "a#b",
    "question mark": f"{VICTIM}?message=x",
    "semicolon": f"{VICTIM};a=b",
    "plus": "a+b",
    "colon": "a:b",
    "star": "*",
    "percent": "100%",
    "setting": "%AzureWebJobsStorage__clientId%",
    "binding expression": "{Query.message}",
    "own expression": "{assistantId}",
    "shell": "$(id)",
    "dots inside": "a..b",
    "three dots": "...",
    "dot behind": f"{VICTIM}.",
    "look-alike": "v\u0456ctim",  # CYRILLIC BYELORUSSIAN-UKRAINIAN I
    "full width": "\uff56\uff49\uff43\uff54\uff49\uff4d",
    "kelvin": "\u212a",  # lower() makes it k
    "long s": "\u017f",  # upper() makes it S
    "dotless i": "v\u0131ctim",
    "dotted I": "V\u0130CTIM",
    "sharp s": "\u00df",
    "arabic digits": "\u0661\u0662",
    "combining": "a\u0301",
    "joiner": f"vic\u200dtim{VICTIM}",
    "soft hyphen": "vic\u00adtim",
    "byte order mark": f"\ufeff{VICTIM}",
    "right to left": f"\u202e{VICTIM}",
    "smile": "\U0001f600",
    "no character": "\uffff",
    "65 characters": "a" * 65,
    "64 and a newline": "a" * 64 + "\n",
    "huge": "a" * 5_000,
}
"""None holds a slash or is made of one or two dots: such paths name something else (SLASHES)."""

SLASHES = {
    "slash": f"{VICTIM}/x",
    "two slashes": f"{VICTIM}//",
    "slash before": f"/{VICTIM}",
    "dots": f"../{VICTIM}",
    "back and forth": f"x/../{VICTIM}'",
    "route": f"{VICTIM}/messages/x",
}

_ODATA = (
    "'",
    "''",
    " or ",
    " and ",
    " eq ",
    " ne ",
    "not ",
    "(",
    ")",
    "PartitionKey",
    "RowKey",
    VICTIM,
    "%27",
)
_CHARACTER = st.characters(exclude_categories=["Cs"], exclude_characters="/")
_IN_ALPHABET = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


def ids() -> st.SearchStrategy[str]:
    """Filters put together from their parts, the victim's id with something wrong in it, and any text."""
    filters = st.lists(st.sampled_from(_ODATA) | st.text(_CHARACTER, max_size=3), min_size=1, max_size=8)
    spoilt = st.tuples(st.integers(0, len(VICTIM)), st.text(_CHARACTER, min_size=1, max_size=2)).map(
        lambda drawn: VICTIM[: drawn[0]] + drawn[1] + VICTIM[drawn[0] :]
    )
    return (filters.map("".join) | spoilt | st.text(_CHARACTER, max_size=70)).filter(_is_hostile)


def _is_hostile(text: str) -> bool:
    return not (1 <= len(text) <= 64 and set(text) <= _IN_ALPHABET) and text not in ("", ".", "..")


TEXTS = {
    "quote": "'",
    "filter": f"x' or PartitionKey eq '{VICTIM}",
    "json": '{"id":"victim","instructions":"x","collectionName":"Other"}',
    "array": '[{"id":"victim"}]',
    "braces": "{}",
    "null": "null",
    "date": "2026-11-25T10:00:00.000Z",
    "old date": "/Date(1700000000000)/",
    "binding expression": "{assistantId} {Query.message} {Headers.x-functions-key}",
    "setting": "%AzureWebJobsStorage__clientId%",
    "escapes": "%27%2527%0A%00",
    "lines": "a\r\nb\n\tc",
    "separators": "\u0085\u2028\u2029\ufeff\u00a0",
    "directions": "\u202eabc\u2066",
    "private": "\ue000\U0010ffff",
    "smile": "\U0001f600" * 3,
    "html": "<script>alert('x')</script>&amp;",
    "longest": "a" * 32_768,
    "longest in pairs": "\U0001f600" * 16_384,
}
"""Texts that may be stored, and then are as they came."""

REFUSED_TEXTS = {
    "NUL": "a\x00b",
    "escape": "\x1b[2J",
    "no character": "\uffff",
    "one unit too many": "a" * 32_769,
    "one pair too many": "\U0001f600" * 16_384 + "a",
    "huge": "a" * 300_000,
}


def texts() -> st.SearchStrategy[str]:
    """Any text that may be stored, a filter as often as not. Never empty."""
    parts = st.sampled_from((*_ODATA, "{", "}", "%", '"', "\\", "\\u0000", "\n"))
    character = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
    return st.lists(parts | st.text(character, max_size=5), min_size=1, max_size=8).map("".join).filter(bool)
