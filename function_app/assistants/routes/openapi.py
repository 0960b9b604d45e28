"""`GET /api/openapi.json`: the whole API as an OpenAPI 3.1 document. It holds no secret, so it needs no key.

Tests hold it against the routes and the answers of the app. `RunAssistant` is not in it: that is
the app's own.
"""

import functools
from collections.abc import Sequence
from typing import Any

import azure.functions as func

from assistants import paths, rules
from assistants.routes import parsing
from assistants.routes.create import REPLACED
from assistants.routes.responses import handle_errors, json_response
from assistants.settings import Settings

Json = dict[str, Any]

# The characters of rules.py as a pattern that JSON Schema's dialect and others read alike.
_STORABLE = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\ufffe\\uffff]*$"
_MOMENT = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,9})?)?(Z|[-+ ][0-9]{2}:[0-9]{2})?)?$"
)
_WHEN = "2026-11-25T08:00:00.1234567Z"


def blueprint(settings: Settings) -> func.Blueprint:
    routes = func.Blueprint()
    cached_document = functools.cache(lambda: document(settings))

    @routes.function_name("OpenApi")
    @routes.route(route="openapi.json", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    def open_api(req: func.HttpRequest) -> func.HttpResponse:  # pyright: ignore[reportUnusedFunction] # noqa: ARG001 # the host passes it
        return handle_errors(lambda: json_response(cached_document(), 200))

    return routes


def document(settings: Settings) -> Json:
    """What the app answers with these settings."""
    content: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Assistants",
            "version": "1.0.0",
            "description": (
                "Create AI assistants, talk to them, list and delete them. An empty query parameter counts as"
                " absent; one that is given twice, or is not UTF-8, is refused. Unknown ones are ignored."
            ),
        },
        "servers": [{"url": paths.url_path()}],
        "paths": _paths(settings),
        "components": {"schemas": _schemas()},
    }
    if settings.http_auth_level is not func.AuthLevel.ANONYMOUS:
        content["components"]["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
            "keyInQuery": {"type": "apiKey", "in": "query", "name": "code"},
        }
        content["security"] = [{"key": []}, {"keyInQuery": []}]
    return content


def _paths(settings: Settings) -> Json:
    operations: Json = {
        "/assistants": {"get": _list()},
        "/assistants/{assistantId}": {
            "parameters": [_id()],
            "put": _create(),
            "post": _post_as_text(),
            "get": _get(settings),
            "delete": _delete(),
        },
        "/assistants/{assistantId}/messages": {"parameters": [_id()], "post": _post()},
        "/health": _open_get(
            "health",
            "Which package answers",
            {
                "200": _json("It runs.", "Health"),
                "500": _problem("App settings are wrong, and nothing else is served.", "Unhealthy"),
            },
        ),
        "/openapi.json": _open_get(
            "openApi",
            "This document",
            {"200": _content("OpenAPI 3.1", "application/json", {"type": "object"}), **_failures()},
        ),
    }
    if settings.http_auth_level is not func.AuthLevel.ANONYMOUS:
        for path in operations.values():
            for operation in path.values():
                if isinstance(operation, dict) and "security" not in operation:
                    operation["responses"]["401"] = {"description": "No key, or a wrong one. No body."}
    if settings.chat_page:
        page = {"200": _content("The page", "text/html", _STRING)}
        operations["/chat"] = _open_get("chatPage", "A page to talk to assistants", page)
    return operations


def _create() -> Json:
    return {
        "operationId": "createAssistant",
        "summary": "Create an assistant, or begin its conversation anew",
        "parameters": [
            {
                "name": "If-None-Match",
                "in": "header",
                "description": "`*`: only where there is none yet",
                "schema": {"const": "*"},
            }
        ],
        "requestBody": _body(
            {
                "instructions": {
                    **_text(rules.MAX_INSTRUCTIONS_UNITS),
                    "description": "The system prompt; blank for none, absent for the default",
                }
            },
            {"instructions": "Answer in German."},
        ),
        "responses": {
            "202": {
                **_json("The rows are written.", "Created"),
                "headers": {
                    REPLACED: {
                        "description": "Whether there was a conversation, which is gone now",
                        "required": True,
                        "schema": {"enum": ["true", "false"]},
                    }
                },
            },
            "400": _problem("The id, the header or the body breaks a rule.", "InvalidRequest"),
            "404": _no_route(),
            **_body_failures(),
            "409": _busy(),
            "412": _problem("If-None-Match: * was sent, and there is one."),
            **_failures(),
            "500": _problem(
                "A failure; the app's log has the reason. Without a body: the extension could not write the"
                " rows. An earlier conversation may then be gone, with no new one in its place: send GET, and"
                " the same PUT again."
            ),
        },
    }


def _post() -> Json:
    return {
        "operationId": "postMessage",
        "summary": "Say something to an assistant and wait for its reply",
        "requestBody": _body(
            {"message": {**_text(rules.MAX_MESSAGE_UNITS), "minLength": 1}},
            {"message": "Add a todo: buy milk"},
            required=["message"],
        ),
        "responses": {
            "200": _json("The reply, and all that the message has added.", "Exchange"),
            "400": _problem("The id or the body breaks a rule.", "InvalidRequest"),
            **_body_failures(),
            **_post_failures(),
        },
    }


def _post_as_text() -> Json:
    return {
        "operationId": "postUserQuery",
        "summary": "As postMessage, in the form of the bindings' documentation",
        "parameters": [
            {
                "name": "message",
                "in": "query",
                "required": True,
                "schema": {**_text(rules.MAX_MESSAGE_UNITS), "minLength": 1},
                "example": "Hello",
            }
        ],
        "responses": {
            "200": _content("The reply, which may be empty", "text/plain", _STRING),
            "400": _problem("The id or the message breaks a rule.", "InvalidRequest"),
            **_body_failures(),
            **_post_failures(),
        },
    }


def _get(settings: Settings) -> Json:
    responses = {
        "200": _content(
            "A page of messages; with `timestampUTC` what the binding assistantQuery gives.",
            "application/json",
            {"oneOf": [_ref("Conversation"), _ref("AssistantState")]},
            example={**_ASSISTANT, "messages": [_MESSAGE]},
        ),
        "400": _problem("The id or a parameter breaks a rule.", "InvalidRequest"),
        "404": _problem("There is no such assistant. Without a body: the id breaks the rule."),
        **_failures(),
    }
    if not settings.expose_instructions:
        responses["403"] = _problem("The setting exposeInstructions does not let instructions be shown.")
    return {
        "operationId": "getAssistant",
        "summary": "State and messages of an assistant",
        "parameters": [
            _limit(),
            _token(),
            _query("since", "Only later messages", {"type": "string", "pattern": _MOMENT}, _WHEN),
            _query("includeInstructions", "The system prompt too", {"enum": ["true", "false"]}, "false"),
            _query(
                "timestampUTC",
                "The form of the bindings' documentation; excludes the other parameters",
                {"type": "string", "pattern": _MOMENT},
            ),
        ],
        "responses": responses,
    }


def _list() -> Json:
    return {
        "operationId": "listAssistants",
        "summary": "Assistants by id",
        "parameters": [_limit(), _token()],
        "responses": {
            "200": _json("A page", "Assistants"),
            "400": _problem("A parameter breaks a rule.", "InvalidRequest"),
            **_failures(),
        },
    }


def _delete() -> Json:
    return {
        "operationId": "deleteAssistant",
        "summary": "Delete an assistant and its messages",
        "responses": {
            "204": {"description": "Deleted, or there was none. No body, though Content-Type is text/plain."},
            "400": _problem("The id breaks the rule.", "InvalidRequest"),
            "404": _no_route(),
            "409": _busy(),
            **_failures(),
            "500": _problem(
                "A failure; the app's log has the reason. Without a body: the worker ended. Messages may then"
                " be left, which no request returns: send the DELETE again, 409 for 30 seconds at most."
            ),
        },
    }


def _body(properties: Json, example: Json, *, required: Sequence[str] = ()) -> Json:
    """An object of these members and no others; it may be left out where none is required."""
    schema: Json = {"type": "object", "additionalProperties": False, "properties": properties}
    if required:
        schema["required"] = [*required]
    media = {"schema": schema, "example": example}
    return {"required": bool(required), "content": {"application/json": media}}


def _id() -> Json:
    return {
        "name": "assistantId",
        "in": "path",
        "required": True,
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": rules.MAX_ID_CHARACTERS,
            "pattern": "^[A-Za-z0-9_-]+$",
        },
        "example": "hello",
    }


def _query(name: str, description: str, schema: Json, example: object = None) -> Json:
    parameter = {"name": name, "in": "query", "description": description, "schema": schema}
    return parameter if example is None else {**parameter, "example": example}


def _limit() -> Json:
    schema = {"type": "integer", "minimum": 1, "maximum": parsing.MAX_PAGE, "default": parsing.DEFAULT_PAGE}
    return _query("limit", "How many at most", schema, 10)


def _token() -> Json:
    return _query("continuationToken", "From the page before, as it came", {"type": "string"})


def _text(max_units: int) -> Json:
    # JSON Schema counts characters; one beyond U+FFFF counts as two here.
    return {"type": "string", "maxLength": max_units, "pattern": _STORABLE}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _open_get(operation_id: str, summary: str, responses: Json) -> Json:
    """A path that is read without a key."""
    return {"get": {"operationId": operation_id, "summary": summary, "security": [], "responses": responses}}


def _content(description: str, mimetype: str, schema: Json, **media: object) -> Json:
    return {"description": description, "content": {mimetype: {"schema": schema, **media}}}


def _json(description: str, schema: str) -> Json:
    return _content(description, "application/json", _ref(schema), example=_EXAMPLES[schema])


def _problem(description: str, schema: str = "Problem", *, retry: bool = False) -> Json:
    response = _content(description, "application/problem+json", _ref(schema))
    seconds = {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}}
    return {**response, "headers": {"Retry-After": seconds}} if retry else response


def _no_route() -> Json:
    return {"description": "The id breaks the rule. No body."}


def _busy() -> Json:
    return _problem(
        "Another request is writing the assistant, or a message that got no answer may still be stored:"
        " `lockedUntil` is the latest time at which that ends.",
        retry=True,
    )


def _body_failures() -> Json:
    return {
        "411": _problem("The body was sent with Transfer-Encoding (chunked), which the app never gets."),
        "415": _problem("The body was sent with a Content-Encoding other than identity."),
    }


def _failures() -> Json:
    return {
        "500": _problem("A failure; the app's log has the reason."),
        "503": _problem("Storage does not answer just now.", retry=True),
    }


def _post_failures() -> Json:
    return {
        "404": _problem("There is no such assistant. Without a body: the id breaks the rule."),
        "409": _problem(
            "Another request is writing or has written meanwhile, or the conversation cannot go on and"
            " `detail` says why: then there is no `Retry-After`.",
            retry=True,
        ),
        "500": _problem(f"A failure; the app's log has the reason. {_NO_PROBLEM}"),
        "502": _problem(
            "No such deployment, access denied, a key for one function only, RunAssistant missing, or rows"
            f" that cannot be read. {_NO_PROBLEM}"
        ),
        "503": _problem(
            "The model's rate limit, a missing role, or storage: `detail` names what the model itself"
            " answers. Skills may have run.",
            retry=True,
        ),
        "504": _problem(
            "No answer in time; the message may still be stored, at the latest at `lockedUntil`."
        ),
    }


_NO_PROBLEM = (
    "An answer without a problem document is not the app's: an instance ended. The message may be stored:"
    " send GET before you send it again."
)
_STRING: Json = {"type": "string"}
_COUNT: Json = {"type": "integer", "minimum": 0}
_TIME: Json = {"type": "string", "format": "date-time"}
_ASSISTANT: Json = {
    "assistantId": "hello",
    "createdAt": _WHEN,
    "lastUpdatedAt": _WHEN,
    "totalMessages": 3,
    "totalTokens": 120,
}
_MESSAGE: Json = {"number": 2, "role": "User", "content": "Hello", "createdAt": _WHEN, "toolCalls": []}
_REPLY: Json = {**_MESSAGE, "number": 3, "role": "Assistant", "content": "Good morning."}
_EXAMPLES: Json = {
    "Assistants": {"assistants": [_ASSISTANT]},
    "Created": {"assistantId": "hello"},
    "Exchange": {
        "assistantId": "hello",
        "reply": "Good morning.",
        "messages": [_MESSAGE, _REPLY],
        "totalMessages": 3,
        "totalTokens": 120,
    },
    "Health": {"status": "ok", "package": "5f2c…"},
}


def _schemas() -> Json:
    assistant = {
        "assistantId": _STRING,
        "createdAt": _TIME,
        "lastUpdatedAt": _TIME,
        "totalMessages": _COUNT,
        "totalTokens": {**_COUNT, "description": "Of the last call to the model"},
    }
    totals = {"totalMessages": _COUNT, "totalTokens": _COUNT}
    token = {"continuationToken": {**_STRING, "description": "There while there is more"}}
    problem = {
        "type": {"const": "about:blank"},
        "title": _STRING,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": _STRING,
    }
    optional: Json = {
        "messageStored": {
            "type": ["boolean", "null"],
            "description": "Whether the message is in the conversation; null where that is not known",
        },
        "lockedUntil": {
            **_TIME,
            "description": "The latest time at which the request can be sent again with success; with a 504,"
            " a PUT or DELETE of the assistant",
        },
    }
    error = {
        "in": {"enum": ["path", "query", "header", "body"]},
        "name": _STRING,
        "detail": _STRING,
        "pointer": {**_STRING, "description": "RFC 6901, as a URI fragment; only for a body"},
    }
    return {
        "Assistant": _object(assistant),
        "Assistants": _object({"assistants": _array(_ref("Assistant"))}, token),
        "Message": _object(
            {
                "number": {"type": "integer", "minimum": 1},
                "role": {"enum": ["System", "User", "Assistant", "Tool"]},
                "content": _STRING,
                "createdAt": _TIME,
                "toolCalls": _array(_ref("ToolCall")),
            },
            {"toolCallId": {**_STRING, "description": "Of a Tool message: the call whose result it is"}},
        ),
        "ToolCall": _object(
            {
                **dict.fromkeys(("id", "functionName", "kind"), _STRING),
                "functionArguments": {**_STRING, "description": "As the model wrote it, mostly JSON"},
            }
        ),
        "Conversation": _object({**assistant, "messages": _array(_ref("Message"))}, token),
        "Exchange": _object(
            {"assistantId": _STRING, "reply": _STRING, "messages": _array(_ref("Message")), **totals}
        ),
        "AssistantState": _object(
            {
                "id": _STRING,
                "exists": {"type": "boolean"},
                # .NET's date that was never set has no offset, and so is no RFC 3339 date-time.
                "createdAt": _STRING,
                "lastUpdatedAt": _STRING,
                **totals,
                "recentMessages": _array(
                    _object({"content": {"type": ["string", "null"]}, "role": _STRING, "toolCalls": _STRING})
                ),
            }
        ),
        "Created": _object({"assistantId": _STRING}),
        "Health": _object({"status": {"const": "ok"}, "package": _STRING}),
        "Unhealthy": _object({**problem, "package": _STRING, "problems": _array(_STRING, minItems=1)}),
        "Problem": _object(problem, optional),
        "InvalidRequest": _object(
            {**problem, "errors": _array({**_object(error), "required": ["in", "detail"]}, minItems=1)}
        ),
    }


def _object(required: Json, optional: Json | None = None) -> Json:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": {**required, **(optional or {})},
    }


def _array(items: Json, **limits: int) -> Json:
    return {"type": "array", "items": items, **limits}
