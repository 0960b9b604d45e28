"""`GET /api/openapi.json`: the API as an OpenAPI 3.1 document. It contains no secret and needs no key.

Tests compare it with the routes and responses of the app. `RunAssistant` is internal and not part of it.
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

# The characters allowed by rules.py, as a pattern that all dialects of JSON Schema read alike.
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
    """The API of an app with these settings."""
    content: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Assistants",
            "version": "1.0.0",
            "description": (
                "Create, use, list and delete AI assistants. An empty query parameter counts as absent; one"
                " that is given twice, or is not UTF-8, is rejected. Unknown query parameters are ignored."
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
            "parameters": [_ID],
            "put": _create(),
            "post": _post_as_text(),
            "get": _get(settings),
            "delete": _delete(),
        },
        "/assistants/{assistantId}/messages": {"parameters": [_ID], "post": _post()},
        "/health": _open_get(
            "health",
            "The running package",
            {
                "200": _json("The app runs.", "Health"),
                "500": _problem("App settings are wrong; all other routes answer 404.", "Unhealthy"),
            },
        ),
        "/openapi.json": _open_get(
            "openApi",
            "This OpenAPI document",
            {"200": _content("OpenAPI 3.1", "application/json", {"type": "object"}), **_FAILURES},
        ),
    }
    if settings.http_auth_level is not func.AuthLevel.ANONYMOUS:
        for path in operations.values():
            for operation in path.values():
                if isinstance(operation, dict) and "security" not in operation:
                    operation["responses"]["401"] = {"description": "The key is missing or wrong. No body."}
    if settings.chat_page:
        page = {"200": _content("The page", "text/html", _STRING)}
        operations["/chat"] = _open_get("chatPage", "A page to chat with assistants", page)
    return operations


def _create() -> Json:
    return {
        "operationId": "createAssistant",
        "summary": "Create an assistant, or replace it and its conversation",
        "parameters": [
            {
                "name": "If-None-Match",
                "in": "header",
                "description": "`*`: only if the assistant does not exist",
                "schema": {"const": "*"},
            }
        ],
        "requestBody": _body(
            {
                "instructions": {
                    **_TEXT,
                    "description": "The system prompt; an empty text for none, absent for the default",
                }
            },
            {"instructions": "Answer in German."},
        ),
        "responses": {
            "202": {
                **_json("The assistant is created.", "Created"),
                "headers": {
                    REPLACED: {
                        "description": "Whether an existing assistant was replaced",
                        "required": True,
                        "schema": {"enum": ["true", "false"]},
                    }
                },
            },
            "400": _problem("The id, the header or the body is invalid.", "InvalidRequest"),
            "404": _NO_ROUTE,
            **_BODY_FAILURES,
            "409": _BUSY,
            "412": _problem("If-None-Match: * was sent, and the assistant exists."),
            **_FAILURES,
            "500": _problem(
                "The request failed; the app's log contains the reason. Without a body: the extension could"
                " not write the rows. A previous conversation may be deleted without a new one in its place:"
                " send GET, then the same PUT again."
            ),
        },
    }


def _post() -> Json:
    return {
        "operationId": "postMessage",
        "summary": "Post a message to an assistant and wait for its reply",
        "requestBody": _body(
            {
                "message": {**_TEXT, "minLength": 1},
                "totalMessages": {
                    **_COUNT,
                    "description": "Post only if the conversation has exactly so many messages, else 412. A"
                    " request that is repeated with the same number is stored at most once.",
                },
            },
            {"message": "Add a todo: buy milk"},
            required=["message"],
        ),
        "responses": {
            "200": _json("The reply, and all messages that were added.", "Exchange"),
            "400": _problem("The id or the body is invalid.", "InvalidRequest"),
            **_BODY_FAILURES,
            **_POST_FAILURES,
            "412": _problem("The conversation has another number of messages than `totalMessages`."),
        },
    }


def _post_as_text() -> Json:
    return {
        "operationId": "postUserQuery",
        "summary": "Like postMessage, in the form of the bindings' documentation",
        "parameters": [
            {
                "name": "message",
                "in": "query",
                "required": True,
                "schema": {**_TEXT, "minLength": 1},
                "example": "Hello",
            }
        ],
        "responses": {
            "200": _content("The reply, which may be empty", "text/plain", _STRING),
            "400": _problem("The id or the message is invalid.", "InvalidRequest"),
            "414": {"description": "The request line is longer than 8 KiB: use postMessage. No body."},
            **_BODY_FAILURES,
            **_POST_FAILURES,
        },
    }


def _get(settings: Settings) -> Json:
    responses = {
        "200": _content(
            "A page of messages; with `timestampUTC` the response of the binding assistantQuery.",
            "application/json",
            {"oneOf": [_ref("Conversation"), _ref("AssistantState")]},
            example={**_ASSISTANT, "messages": [_MESSAGE]},
        ),
        "400": _problem("The id or a parameter is invalid.", "InvalidRequest"),
        "404": _problem("The assistant does not exist. Without a body: the id is invalid."),
        **_FAILURES,
    }
    if not settings.expose_instructions:
        responses["403"] = _problem(
            "The setting exposeInstructions does not allow the instructions to be returned."
        )
    return {
        "operationId": "getAssistant",
        "summary": "Get the state and messages of an assistant",
        "parameters": [
            _LIMIT,
            _TOKEN,
            _query("since", "Only messages created later", {"type": "string", "pattern": _MOMENT}, _WHEN),
            _query("includeInstructions", "Include the system prompt", {"enum": ["true", "false"]}, "false"),
            _query("includeLock", "Include `lockedUntil`", {"enum": ["true", "false"]}, "false"),
            _query(
                "timestampUTC",
                "The form of the bindings' documentation; cannot be combined with other parameters",
                {"type": "string", "pattern": _MOMENT},
            ),
        ],
        "responses": responses,
    }


def _list() -> Json:
    return {
        "operationId": "listAssistants",
        "summary": "List assistants by id",
        "parameters": [
            _LIMIT,
            _TOKEN,
            _query("prefix", "Only ids that begin with this text", _ID["schema"]),
            _query("includeRemaining", "Include `remaining`", {"enum": ["true", "false"]}, "false"),
        ],
        "responses": {
            "200": _json("A page of assistants", "Assistants"),
            "400": _problem("A parameter is invalid.", "InvalidRequest"),
            **_FAILURES,
        },
    }


def _delete() -> Json:
    return {
        "operationId": "deleteAssistant",
        "summary": "Delete an assistant and its messages",
        "responses": {
            "204": {
                "description": "Deleted, or it did not exist. No body, although Content-Type is text/plain."
            },
            "400": _problem("The id is invalid.", "InvalidRequest"),
            "404": _NO_ROUTE,
            "409": _BUSY,
            **_FAILURES,
            "500": _problem(
                "The request failed; the app's log contains the reason. Without a body: the worker ended."
                " Messages that no request returns may be left: send the DELETE again, which may answer 409"
                " for up to 30 seconds."
            ),
        },
    }


def _body(properties: Json, example: Json, *, required: Sequence[str] = ()) -> Json:
    """An object with these members and no others; the body is optional if no member is required."""
    schema: Json = {"type": "object", "additionalProperties": False, "properties": properties}
    if required:
        schema["required"] = [*required]
    media = {"schema": schema, "example": example}
    return {"required": bool(required), "content": {"application/json": media}}


def _query(name: str, description: str, schema: Json, example: object = None) -> Json:
    parameter = {"name": name, "in": "query", "description": description, "schema": schema}
    return parameter if example is None else {**parameter, "example": example}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _open_get(operation_id: str, summary: str, responses: Json) -> Json:
    """A path whose only operation is a GET without a key."""
    return {"get": {"operationId": operation_id, "summary": summary, "security": [], "responses": responses}}


def _content(description: str, mimetype: str, schema: Json, **media: object) -> Json:
    return {"description": description, "content": {mimetype: {"schema": schema, **media}}}


def _json(description: str, schema: str) -> Json:
    return _content(description, "application/json", _ref(schema), example=_EXAMPLES[schema])


def _problem(description: str, schema: str = "Problem", *, retry: bool = False) -> Json:
    response = _content(description, "application/problem+json", _ref(schema))
    seconds = {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}}
    return {**response, "headers": {"Retry-After": seconds}} if retry else response


_NO_PROBLEM = (
    "A response without a problem document does not come from the app: an instance ended. The message may be"
    " stored: send GET before you post it again."
)
_ID: Json = {
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
_LIMIT = _query(
    "limit",
    "The maximum number per page",
    {"type": "integer", "minimum": 1, "maximum": parsing.MAX_PAGE, "default": parsing.DEFAULT_PAGE},
    10,
)
_TOKEN: Json = _query("continuationToken", "The token of the previous page, unchanged", {"type": "string"})
_BUSY: Json = _problem(
    "Another request is writing the assistant, or an earlier message without a result may still be"
    " stored: the assistant is locked until `lockedUntil` at the latest.",
    retry=True,
)
_BODY_FAILURES: Json = {
    "411": _problem("The body was sent with Transfer-Encoding (chunked) and does not reach the app."),
    "415": _problem("The body was sent with a Content-Encoding other than identity."),
}
_FAILURES: Json = {
    "500": _problem("The request failed; the app's log contains the reason."),
    "503": _problem("The storage is temporarily unavailable, or a role is missing.", retry=True),
}
_POST_FAILURES: Json = {
    "404": _problem("The assistant does not exist. Without a body: the id is invalid."),
    "409": _problem(
        "Another request is writing or has changed the conversation; or, without `Retry-After`, the"
        " conversation cannot continue, for the reason in `detail`.",
        retry=True,
    ),
    "500": _problem(f"The request failed; the app's log contains the reason. {_NO_PROBLEM}"),
    "502": _problem(
        "No such model deployment, access denied, a key for one function only, RunAssistant missing, or"
        f" rows that cannot be read. {_NO_PROBLEM}"
    ),
    "503": _problem(
        "The model's rate limit, a missing role, or the storage; `detail` names the cause."
        " Skills may have run.",
        retry=True,
    ),
    "504": _problem("No answer in time; the message may still be stored until `lockedUntil`."),
}
_NO_ROUTE: Json = {"description": "The id is invalid. No body."}
_STRING: Json = {"type": "string"}
# JSON Schema counts characters; the app counts one above U+FFFF as two.
_TEXT: Json = {**_STRING, "maxLength": rules.MAX_TEXT_UNITS, "pattern": _STORABLE}
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
    token = {"continuationToken": {**_STRING, "description": "Present if there is another page"}}
    remaining = {
        **_object({"count": _COUNT, "isExact": {"type": "boolean"}}),
        "description": "With `includeRemaining`, if there is another page: how many assistants follow this"
        " one. If `isExact` is false, `count` is where the count ended, and there are more.",
    }
    lock = {
        "lockedUntil": {
            **_TIME,
            "description": "With `includeLock`: another request writes the assistant, and a post is refused"
            " until this time at the latest. Absent if a post can start.",
        }
    }
    problem = {
        "type": {"const": "about:blank"},
        "title": _STRING,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": _STRING,
    }
    optional: Json = {
        "messageStored": {
            "type": ["boolean", "null"],
            "description": "Whether the message is stored; null if that is not known",
        },
        "lockedUntil": {
            **_TIME,
            "description": "The latest time at which the lock ends; for a 504, that against a PUT or DELETE",
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
        "Assistants": _object({"assistants": _array(_ref("Assistant"))}, {**token, "remaining": remaining}),
        "Message": _object(
            {
                "number": {"type": "integer", "minimum": 1},
                "role": {"enum": ["System", "User", "Assistant", "Tool"]},
                "content": _STRING,
                "createdAt": _TIME,
                "toolCalls": _array(_ref("ToolCall")),
            },
            {
                "toolCallId": {
                    **_STRING,
                    "description": "For a Tool message: the id of the tool call whose result it is",
                }
            },
        ),
        "ToolCall": _object(
            {
                # Recording tools/call-name-missing.
                "id": {"type": ["string", "null"]},
                "functionName": {"type": ["string", "null"]},
                "kind": _STRING,
                "functionArguments": {**_STRING, "description": "As written by the model, usually JSON"},
            }
        ),
        "Conversation": _object({**assistant, "messages": _array(_ref("Message"))}, {**token, **lock}),
        "Exchange": _object(
            {"assistantId": _STRING, "reply": _STRING, "messages": _array(_ref("Message")), **totals}
        ),
        "AssistantState": _object(
            {
                "id": _STRING,
                "exists": {"type": "boolean"},
                # The default of .NET's DateTime has no offset, so it is not an RFC 3339 date-time.
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
