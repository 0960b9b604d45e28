"""What a request gives to binding expressions (HttpTriggerAttributeBindingProvider of the WebJobs SDK)."""

import json
from collections.abc import Mapping, Sequence

from local_azure.functions_host.bindings import dotnet

BindingData = Mapping[str, object]
"""By name in lower case; values are texts, or objects of a JSON body."""


class JsonObject(dict[str, object]):
    """An object of a JSON body. Newtonsoft.Json has parsed its members, and dates are dates by then."""


class Query(dict[str, str]):
    """The last value of each parameter, by its name with regard to case (recording query/lower-name)."""


def of_request(
    body: bytes, query: Sequence[tuple[str, str]], headers: Mapping[str, str], route: Mapping[str, str]
) -> BindingData:
    """Members of a JSON body, then the query (but `code`), then the route: what comes later wins.

    `Query` and `Headers` are there too, unless the request has brought one of that
    name: a body `{"Query": {"message": "x"}}` takes the place of the whole query.
    """
    data: dict[str, object] = _of_body(body)
    # Of duplicates the last counts, and an empty value is a value here.
    spelling: dict[str, str] = {}
    values = Query()
    for name, value in query:
        values[spelling.setdefault(name.lower(), name)] = value
    data.update({name.lower(): value for name, value in values.items() if name.lower() != "code"})
    data.update({name.lower(): value for name, value in route.items()})
    data.setdefault("query", values)
    data.setdefault("headers", dict(headers))
    return data


def _of_body(body: bytes) -> dict[str, object]:
    """No object, or no JSON at all, is no error: there may be no expression that needs it."""
    try:
        text = body.decode("utf-8-sig", "replace")
        dotnet.check_depth(text)
        parsed: object = json.loads(text, object_hook=JsonObject)
    except ValueError:
        return {}
    if not isinstance(parsed, JsonObject):
        return {}
    data: dict[str, object] = {}
    for name, value in parsed.items():
        # An array gives no value, as null gives none (recordings body/message-array and -null).
        if not isinstance(value, list):
            kept = value if isinstance(value, JsonObject) else dotnet.text_of(value)
            if kept is not None:
                data[name.lower()] = kept
    return data
