"""Binding data of an HTTP request (HttpTriggerAttributeBindingProvider of the WebJobs SDK)."""

from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence

from local_azure.functions_host.bindings import newtonsoft
from local_azure.functions_host.bindings.newtonsoft import JsonObject

BindingData = Mapping[str, object]
"""By name in lower case; values are strings, or objects of a JSON body."""


class Query(dict[str, str]):
    """The last value of each query parameter, by its case-sensitive name (recording query/lower-name)."""


def of_request(
    body: bytes,
    query: Sequence[tuple[str, str]],
    headers: Mapping[str, str],
    route: Mapping[str, str | None],
) -> BindingData:
    """The members of a JSON body, overridden by the query (except `code`), overridden by the route values.

    `Query` and `Headers` are added unless the request itself has a value of that name:
    a body `{"Query": {"message": "x"}}` replaces the whole query. An optional route parameter without a value
    (None) hides a member or parameter of its name.
    """
    # The host parses only what begins and ends like an object (recording body/comment).
    text = body.removeprefix(BOM_UTF8).strip()
    data: dict[str, object] = _of_body(body) if (text[:1], text[-1:]) == (b"{", b"}") else {}
    # The last of several values counts, and an empty value is a value.
    spelling: dict[str, str] = {}
    values = Query()
    for name, value in query:
        values[spelling.setdefault(name.lower(), name)] = value
    data.update({name.lower(): value for name, value in values.items() if name.lower() != "code"})
    for name, value in route.items():
        data.pop(name.lower(), None)
        if value is not None:
            data[name.lower()] = value
    data.setdefault("query", values)
    data.setdefault("headers", dict(headers))
    return data


def _of_body(body: bytes) -> dict[str, object]:
    """Empty for a body that is not a JSON object; only an expression that needs a member fails then."""
    try:
        parsed: object = newtonsoft.parse(body.decode("utf-8-sig", "replace"))
    except ValueError:
        return {}
    if not isinstance(parsed, JsonObject):
        return {}
    data: dict[str, object] = {}
    for name, value in parsed.items():
        # An array gives no value, as null gives none (recordings body/message-array and -null).
        if not isinstance(value, list):
            member = value if isinstance(value, JsonObject) else newtonsoft.token_text(value)
            if member is not None:
                data[name.lower()] = member
    return data
