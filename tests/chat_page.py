"""The chat page in a browser, with an API in memory that can be slow, fail, and be cut off.

Every request of the page, and what this API answers, must be what the app's OpenAPI document says.
"""

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import azure.functions as func
from assistants.routes import chat
from assistants.settings import Settings
from jsonschema import ValidationError
from playwright.sync_api import ConsoleMessage, Error, Locator, Page, Request, Route, expect

from tests.host_requests import ASSISTANT, check_documented, check_request

ORIGIN = "https://app.example"
KEY = "a-key-of-the-test"
WHEN = "2026-11-25T08:00:00.1234567Z"
Json = dict[str, Any]


def call(name: str, arguments: str, call_id: str = "call_1") -> Json:
    return {"id": call_id, "functionName": name, "functionArguments": arguments, "kind": "Function"}


def tool_result(name: str, text: str) -> str:
    """As the extension stores it."""
    return f"Function Name: '{name}' and Function Result: '{json.dumps(text)}'"


@dataclass
class Assistant:
    messages: list[Json] = field(default_factory=list[Json])
    tokens: int = 0
    is_locked: bool = False
    updated: str = WHEN

    def add(self, *texts: tuple[str, str] | Json) -> list[Json]:
        """Each is (role, content), or the members of a message; its number is given here."""
        for text in texts:
            members = text if isinstance(text, dict) else {"role": text[0], "content": text[1]}
            number = len(self.messages) + 1
            self.messages.append({"number": number, "createdAt": WHEN, "toolCalls": [], **members})
        return self.messages[-len(texts) :]


Response = tuple[int, object, dict[str, str]]
Answer = Callable[["ChatPage", str, Json], Response | None]
"""What a request gets: of the page, the assistant's id and the request's body. None: nothing."""


def problem(status: int, retry_after: str = "", **members: object) -> Answer:
    title = HTTPStatus(status).phrase
    detail = f"The {title.lower()} of the API."
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}
    headers = {"retry-after": retry_after} if retry_after else {}
    return lambda _page, _id, _body: (status, body, headers)


def no_document(status: int) -> Answer:
    return lambda _page, _id, _body: (status, None, {})


CHANGED = problem(412, messageStored=False)


def reply(*added: tuple[str, str] | Json, tokens: int = 42) -> Answer:
    """Store the message with these after it."""

    def answer(page: "ChatPage", assistant_id: str, body: Json) -> Response | None:
        assistant = page.assistants[assistant_id]
        if body["totalMessages"] != len(assistant.messages):
            return CHANGED(page, assistant_id, body)
        messages = assistant.add(("User", body["message"]), *added)
        assistant.tokens = tokens
        totals = {"totalMessages": len(assistant.messages), "totalTokens": tokens}
        answer = {"assistantId": assistant_id, "reply": messages[-1]["content"], "messages": messages}
        return 200, {**answer, **totals}, {}

    return answer


def hold(page: "ChatPage", assistant_id: str, _body: Json) -> None:
    """Keep the request, as a model that thinks; `release` answers it."""
    page.assistants[assistant_id].is_locked = True


class ChatPage:
    """The page at its address. `answers`: what the next requests of a method get, else what the API does."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.assistants: dict[str, Assistant] = {}
        self.answers: dict[str, list[Answer]] = {}
        self.held: list[tuple[Route, str, Json]] = []
        self.requests: list[Request] = []
        self.errors: list[str] = []
        self.is_documented = True  # what the API answers
        self.shows_instructions = True
        self.page_size = self.conversation_page_size = 100
        self.is_offline = False
        self.message = page.get_by_label("Message", exact=True)
        self.back = self.button("All assistants")
        self.log = page.get_by_role("log")
        self.notice = page.locator("#notice")
        self.progress = page.locator("#progress")
        self._watch(page)
        page.context.on("page", self._watch)
        page.context.route("**/*", self._handle)

    # What a person does

    def open(self, fragment: str = f"key={KEY}", path: str = "/api/chat") -> None:
        self.page.goto(f"{ORIGIN}{path}{fragment and '#'}{fragment}")

    def open_ada(self, *texts: tuple[str, str] | Json) -> None:
        """Open the page, and an assistant with these messages."""
        self.assistants["ada"] = Assistant()
        self.assistants["ada"].add(*texts)
        self.open()
        self.choose("ada")

    def choose(self, assistant_id: str) -> None:
        if self.back.is_visible():
            self.back.click()
        self.entry(assistant_id).click()
        expect(self.page.get_by_role("heading", name=assistant_id, exact=True)).to_be_visible()
        expect(self.page.locator("#facts")).to_contain_text("message")

    def send(self, text: str) -> None:
        self.message.fill(text)
        self.message.press("Enter")

    def close(self) -> None:
        for route, _, _ in self.held:
            with contextlib.suppress(Error):  # the page has gone meanwhile
                route.abort()
        self.page.context.close()

    # What the API does later

    def release(self, *added: tuple[str, str] | Json) -> None:
        """The model answers the request that was held."""
        route, _, _ = self.held[0]
        self._fulfill(route, self.store_held(*added))

    def store_held(self, *added: tuple[str, str] | Json) -> Response:
        """The model answers, and the page does not wait for the response any more."""
        _, assistant_id, body = self.held.pop(0)
        self.assistants[assistant_id].is_locked = False
        response = reply(*(added or (("Assistant", "Here you are."),)))(self, assistant_id, body)
        assert response
        return response

    def cut(self) -> None:
        """The connection of the request that was held is lost; the app goes on."""
        route, _, _ = self.held[0]
        route.abort("connectionreset")

    # What is there

    def entry(self, assistant_id: str) -> Locator:
        return self.page.locator(f"#assistants button[data-id='{assistant_id}']")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def sent(self, method: str = "POST") -> list[Any]:
        return [request.post_data_json for request in self.requests if request.method == method]

    # The routes

    def _watch(self, page: Page) -> None:
        page.on("console", self._keep_error)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _keep_error(self, entry: ConsoleMessage) -> None:
        # The browser itself writes there that a request failed.
        if entry.type == "error" and not entry.text.startswith("Failed to load resource"):
            self.errors.append(entry.text)

    def _handle(self, route: Route, request: Request) -> None:
        url = urlsplit(request.url)
        if f"{url.scheme}://{url.netloc}" == ORIGIN and url.path.rstrip("/") == "/api/chat":
            page = chat.page()
            headers = {**page.headers, "content-type": "text/html; charset=utf-8"}
            route.fulfill(status=200, body=page.get_body(), headers=headers)
            return
        self.requests.append(request)
        if self.is_offline or not request.url.startswith(f"{ORIGIN}/api/assistants"):
            route.abort("internetdisconnected")
            return
        assistant_id = url.path.removeprefix("/api/assistants").strip("/").removesuffix("/messages")
        body: Json = request.post_data_json or {}
        if answers := self.answers.get(request.method):
            response = answers.pop(0)(self, assistant_id, body)
        else:
            response = self._answer(request.method, assistant_id, parse_qs(url.query), body)
        if response:
            self._fulfill(route, response)
        else:
            self.held.append((route, assistant_id, body))

    def _fulfill(self, route: Route, response: Response) -> None:
        status, body, headers = response
        kind = "application/json" if status < 400 else "application/problem+json"
        text = "" if body is None else json.dumps(body)
        if self.is_documented and (body is not None or status < 500):  # else it is that of a gateway
            try:
                self._check(
                    route.request, func.HttpResponse(text, status_code=status, mimetype=kind, headers=headers)
                )
            except (AssertionError, KeyError, ValidationError) as error:
                self.errors.append(repr(error))
        route.fulfill(status=status, body=text, headers={"content-type": kind, **headers})

    def _check(self, request: Request, response: func.HttpResponse) -> None:
        url = urlsplit(request.url)
        path = re.sub("/assistants/[^/]+", ASSISTANT, url.path.removeprefix("/api"))
        settings = Settings(expose_instructions=self.shows_instructions)
        check_documented(settings, path, request.method.lower(), response)
        check_request(settings, path, request.method.lower(), parse_qs(url.query), request.post_data_json)

    def _answer(
        self, method: str, assistant_id: str, query: Mapping[str, list[str]], body: Json
    ) -> Response | None:
        if method == "PUT":
            return self.create(assistant_id, body)
        if not assistant_id:
            return 200, self._page(query), {}
        if assistant_id not in self.assistants:
            return problem(404, messageStored=False)(self, assistant_id, body)
        if method == "DELETE":
            del self.assistants[assistant_id]
            return 204, None, {}
        if method == "POST":
            return reply(("Assistant", f"You said {body['message']}"))(self, assistant_id, body)
        if "includeInstructions" in query and not self.shows_instructions:
            return problem(403)(self, assistant_id, body)
        assistant = self.assistants[assistant_id]
        shows = "includeInstructions" in query
        messages = [entry for entry in assistant.messages if shows or entry["role"] != "System"]
        start = int(query.get("continuationToken", ["0"])[0])
        end = start + self.conversation_page_size
        state: Json = {**self._state(assistant_id), "messages": messages[start:end]}
        if end < len(messages):
            state["continuationToken"] = str(end)
        if "includeLock" in query and assistant.is_locked:
            state["lockedUntil"] = WHEN
        return 200, state, {}

    def create(self, assistant_id: str, body: Json) -> Response:
        self.assistants[assistant_id] = Assistant()
        if body.get("instructions"):
            self.assistants[assistant_id].add(("System", body["instructions"]))
        return 202, {"assistantId": assistant_id}, {"Assistant-Replaced": "false"}

    def _page(self, query: Mapping[str, list[str]]) -> Json:
        prefix, after = query.get("prefix", [""])[0], query.get("continuationToken", [""])[0]
        ids = sorted(name for name in self.assistants if name.startswith(prefix) and name > after)
        page: Json = {"assistants": [self._state(name) for name in ids[: self.page_size]]}
        following = len(ids) - self.page_size
        if following > 0:
            page["continuationToken"] = ids[self.page_size - 1]
            if "includeRemaining" in query:
                page["remaining"] = {"count": min(following, 1000), "isExact": following <= 1000}
        return page

    def _state(self, assistant_id: str) -> Json:
        assistant = self.assistants[assistant_id]
        counts = {"totalMessages": len(assistant.messages), "totalTokens": assistant.tokens}
        dates = {"createdAt": WHEN, "lastUpdatedAt": assistant.updated}
        return {"assistantId": assistant_id, **dates, **counts}
