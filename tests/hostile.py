"""Ids and texts that mean harm, or that trip up who reads them carelessly. Valid ids are not among them."""

from hypothesis import strategies as st

VICTIM = "victim"

IDS = (
    "",
    " ",
    "x'",
    'x"',
    f"x' or PartitionKey eq '{VICTIM}",
    "x' or not (PartitionKey eq 'x') or 'a' eq 'a",
    "' or RowKey eq 'state",
    "x' -- ",
    f"x'\tor\tPartitionKey\teq\t'{VICTIM}",
    f"{VICTIM}',RowKey='state",
    "x%27",
    f"x%27%20or%20PartitionKey%20eq%20%27{VICTIM}",
    "x%2527",
    "%76ictim",
    f"x\uff07 or PartitionKey eq \uff07{VICTIM}",  # full-width apostrophe
    f"\n{VICTIM}",
    f"{VICTIM}\n",
    f"{VICTIM}\u2028",
    f"{VICTIM}\x85",
    f"{VICTIM}\r\nx-functions-key: x",
    f"{VICTIM}\x00",
    "\x1b[2J",
    "a\\b",
    "a#b",
    f"{VICTIM}?message=x",
    f"{VICTIM};a=b",
    "a+b",
    "*",
    "%AzureWebJobsStorage__clientId%",
    "{Query.message}",
    "{assistantId}",
    "...",
    f"{VICTIM}.",
    "v\u0456ctim",  # CYRILLIC BYELORUSSIAN-UKRAINIAN I
    "\uff56\uff49\uff43\uff54\uff49\uff4d",  # full width
    "\u212a",  # KELVIN SIGN: lower() makes it k
    "\u017f",  # LONG S: upper() makes it S
    "V\u0130CTIM",  # lower() makes it i and a dot
    "\u0661\u0662",  # digits, but not of 0-9
    f"vic\u200dtim{VICTIM}",
    f"\ufeff{VICTIM}",
    "\U0001f600",
    "\uffff",
    "a" * 65,
    "a" * 64 + "\n",
    "a" * 5_000,
)
"""None holds a slash or is made of one or two dots: such paths name something else (SLASHES)."""

SLASHES = (
    f"{VICTIM}/x",
    f"{VICTIM}//",
    f"/{VICTIM}",
    f"../{VICTIM}",
    f"x/../{VICTIM}'",
    f"{VICTIM}/messages/x",
)

_ODATA = "'", "''", " or ", " and ", " eq ", " ne ", "not ", "(", ")", "PartitionKey", "RowKey", VICTIM, "%27"
_CHARACTER = st.characters(exclude_categories=["Cs"], exclude_characters="/")
_IN_ALPHABET = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


def ids() -> st.SearchStrategy[str]:
    """Filters put together from their parts, the victim's id with something wrong in it, and any text."""
    filters = st.lists(st.sampled_from(_ODATA) | st.text(_CHARACTER, max_size=3), min_size=1, max_size=8)
    altered = st.tuples(st.integers(0, len(VICTIM)), st.text(_CHARACTER, min_size=1, max_size=2)).map(
        lambda drawn: VICTIM[: drawn[0]] + drawn[1] + VICTIM[drawn[0] :]
    )
    return (filters.map("".join) | altered | st.text(_CHARACTER, max_size=70)).filter(_is_hostile)


def _is_hostile(text: str) -> bool:
    return not (1 <= len(text) <= 64 and set(text) <= _IN_ALPHABET) and text not in ("", ".", "..")


TEXTS = (
    "'",
    f"x' or PartitionKey eq '{VICTIM}",
    '{"id":"victim","instructions":"x","collectionName":"Other"}',
    '[{"id":"victim"}]',
    "null",
    "12345678901234567890",
    "2026-11-25T10:00:00.000Z",
    "/Date(1700000000000)/",
    "{assistantId} {Query.message} {Headers.x-functions-key}",
    "%AzureWebJobsStorage__clientId%",
    "%27%2527%0A%00",
    "\n    indented\r\n\tlines\n    ",
    "\u0085\u2028\u2029\ufeff\u00a0\u202eabc\u2066\ue000\U0010ffff",
    "<script>alert('x')</script>&amp;",
    "a" * 32_768,
    "\U0001f600" * 16_384,
)
"""Texts that may be stored, and then are as they came."""
