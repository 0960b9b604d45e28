"""What the chat page makes of the API's responses, in Chromium.

The responses are those of a stand-in, so that there are hostile and failing ones. tests/e2e/test_chat_page.py
uses the page with the real API.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from assistants.routes import chat
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, Route, expect

from tests.chromium import chromium

ORIGIN = "https://app.example"
KEY = "a-key-of-the-test"
AXE = Path(__file__).parents[2] / "browser" / "node_modules" / "axe-core" / "axe.min.js"


class StandIn:
    """The page at its address, and the responses of an API; None for a response that never comes."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[Request] = []
        self.errors: list[str] = []
        self.responses: dict[tuple[str, str], Callable[[Request], dict[str, Any] | None]] = {}
        self.respond("GET", "", {"assistants": [state()]})
        self.respond("GET", "/ada", {**state(), "messages": []})
        page.on("console", self._keep_error)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.context.route("**/*", self._handle)

    def respond(self, method: str, path: str, body: object, status: int = 200, retry_after: str = "") -> None:
        headers = {"content-type": "application/json" if status < 400 else "application/problem+json"}
        if retry_after:
            headers["retry-after"] = retry_after
        text = "" if body is None else json.dumps(body)
        self.responses[method, path] = lambda _: {"status": status, "body": text, "headers": headers}

    def open(self, key: str = KEY, path: str = "/api/chat") -> None:
        self.page.goto(f"{ORIGIN}{path}")
        self.key.fill(key)
        self.page.keyboard.press("Enter")

    def open_ada(self) -> None:
        self.open()
        self.page.get_by_role("button", name="ada").click()
        expect(self.page.get_by_role("heading", name="ada")).to_be_visible()

    def send(self, text: str) -> None:
        self.message.fill(text)
        self.message.press("Enter")

    @property
    def key(self) -> Locator:
        return self.page.get_by_label("Key", exact=True)

    @property
    def message(self) -> Locator:
        return self.page.get_by_label("Message", exact=True)

    def expect_alert(self, text: str) -> None:
        expect(self.page.get_by_role("alert")).to_contain_text(text)

    def _keep_error(self, message: ConsoleMessage) -> None:
        # The browser itself writes there that a request failed.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.errors.append(message.text)

    def _handle(self, route: Route, request: Request) -> None:
        path = request.url.removeprefix(ORIGIN).split("?")[0]
        if path.rstrip("/") == "/api/chat":
            page = chat.page()
            headers = {**page.headers, "content-type": "text/html; charset=utf-8"}
            route.fulfill(status=200, body=page.get_body(), headers=headers)
            return
        self.requests.append(request)
        respond = self.responses.get((request.method, path.removeprefix("/api/assistants")))
        if respond is None:
            route.abort()
        elif response := respond(request):
            route.fulfill(**response)


WHEN = "2026-11-25T08:00:00.1234567Z"


def state(messages: int = 0, tokens: int = 0) -> dict[str, Any]:
    dates = {"createdAt": WHEN, "lastUpdatedAt": WHEN}
    return {"assistantId": "ada", **dates, "totalMessages": messages, "totalTokens": tokens}


def message(number: int, role: str, content: str, **members: object) -> dict[str, Any]:
    default: dict[str, object] = {"createdAt": WHEN, "toolCalls": []}
    return {"number": number, "role": role, "content": content, **default, **members}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as chromium_browser:
        yield chromium_browser


@pytest.fixture
def api(browser: Browser) -> Iterator[StandIn]:
    context = browser.new_context(viewport={"width": 320, "height": 640})
    context.set_default_timeout(30_000)
    stand_in = StandIn(context.new_page())
    yield stand_in
    context.close()
    assert stand_in.errors == []
    assert all(request.url.startswith(f"{ORIGIN}/api/assistants") for request in stand_in.requests)
    assert all(KEY not in request.url for request in stand_in.requests)


HOSTILE = {
    "markup": "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>",
    "markup that ends its element": '</pre></li><style>*{display:none}</style><a href="javascript:alert(1)">',
    "one long word": "x" * 32_768,
    "right to left": "\u202e\u2067\u05e9\u05dc\u2066 \u0639\u0644\u064a \u202dabc",
    "NUL, lone surrogate, many lines": "a\0b\ud800c\n" * 500,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_messages_are_displayed_as_text_and_do_not_break_the_layout(api: StandIn, text: str) -> None:
    calls = [{"id": text[:80], "functionName": text[:80], "functionArguments": text, "kind": "Function"}]
    messages = [
        message(1, "System", text),
        message(2, "User", text),
        message(3, "Assistant", text, toolCalls=calls),
        message(4, "Tool", text, toolCallId=text[:80]),
        message(5, text[:80], text),
    ]
    api.respond("GET", "/ada", {**state(5), "messages": messages})
    api.open_ada()

    # An HTML parser, and a text that goes through one, would have changed or dropped some of it.
    texts = api.page.evaluate("[...document.querySelectorAll('#messages .text')].map(e => e.textContent)")
    arguments = api.page.evaluate("document.querySelector('.call pre').textContent")

    assert [texts, arguments] == [[text] * 5, text]
    assert api.page.title() == "Assistants"
    assert api.page.locator("#messages :is(img, script, style, a, iframe)").count() == 0
    assert api.page.evaluate("document.documentElement.scrollWidth") <= 320


def test_a_key_is_sent_as_a_header_and_kept_in_the_tab_only(api: StandIn) -> None:
    api.open_ada()

    assert {request.headers.get("x-functions-key") for request in api.requests} == {KEY}
    kept = api.page.evaluate("[localStorage.length, document.cookie, location.search + location.hash]")
    assert kept == [0, "", ""]
    other_tab = api.page.context.new_page()
    other_tab.goto(f"{ORIGIN}/api/chat")
    expect(other_tab.get_by_label("Key", exact=True)).to_have_value("")


def test_enter_sends_and_shift_enter_starts_a_line(api: StandIn) -> None:
    messages = [message(2, "User", "one\ntwo"), message(3, "Assistant", "three")]
    api.respond("POST", "/ada/messages", {**state(3, 40), "reply": "three", "messages": messages})
    api.open_ada()

    api.message.press_sequentially("one")
    api.page.keyboard.press("Shift+Enter")
    api.page.keyboard.type("two")
    api.page.keyboard.press("Enter")
    expect(api.page.get_by_role("log")).to_contain_text("three")

    assert api.requests[-1].post_data_json == {"message": "one\ntwo"}
    expect(api.message).to_have_value("")
    expect(api.message).to_be_focused()
    expect(api.page.locator("#facts")).to_contain_text("40")


def test_an_error_keeps_the_message_and_counts_down_to_the_retry(api: StandIn) -> None:
    detail = "Another request writes this <b>conversation</b>."
    problem = {"title": "Busy", "status": 409, "detail": detail, "messageStored": False}
    api.respond("POST", "/ada/messages", problem, 409, "60")
    api.page.clock.install()
    api.open_ada()
    api.send("keep me")
    for text in ("409 Busy", detail, "not stored"):
        api.expect_alert(text)
    expect(api.message).to_have_value("keep me")
    timer = api.page.get_by_role("timer")
    expect(timer).to_contain_text("Try again in")
    sent = len(api.requests)
    api.message.press("Enter")
    assert len(api.requests) == sent

    api.page.clock.fast_forward(61_000)
    expect(timer).to_be_empty()
    api.message.press("Enter")
    expect(timer).to_contain_text("Try again in")
    assert len(api.requests) == sent + 1
    expect(api.page.get_by_role("button", name="Stop waiting")).to_be_hidden()
    api.page.keyboard.press("Escape")
    expect(api.page.get_by_role("alert")).to_be_hidden()


def test_escape_ends_the_wait_and_keeps_the_message(api: StandIn) -> None:
    api.responses["POST", "/ada/messages"] = lambda _: None
    api.open_ada()
    api.send("keep me")
    expect(api.page.get_by_role("button", name="Stop waiting")).to_be_visible()
    api.message.press("Enter")
    api.page.keyboard.press("Escape")

    expect(api.page.get_by_role("status")).to_contain_text("reload to see")
    expect(api.message).to_have_value("keep me")
    expect(api.message).to_be_focused()
    assert [request.method for request in api.requests].count("POST") == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_reports_no_violation(api: StandIn, scheme: Literal["light", "dark"]) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: run `make browser`")
    call = {"id": "call_1", "functionName": "AddTodo", "functionArguments": "{}", "kind": "Function"}
    messages = [
        message(1, "User", "one"),
        message(2, "Assistant", "", toolCalls=[call]),
        message(3, "Tool", "done", toolCallId="call_1"),
    ]
    api.respond("GET", "/ada", {**state(3), "messages": messages})
    api.respond("POST", "/ada/messages", {"title": "Conflict", "detail": "Busy."}, 409, "60")
    api.page.emulate_media(color_scheme=scheme)
    api.open_ada()
    api.page.locator("#side > summary").click()
    api.send("three")
    expect(api.page.get_by_role("alert")).to_be_visible()

    api.page.evaluate(AXE.read_text())
    report = api.page.evaluate("axe.run()")

    violations = [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in report["violations"]]
    assert violations == []
    assert len(report["passes"]) > 20


def test_a_message_stored_without_a_reply_is_displayed(api: StandIn) -> None:
    problem = {"title": "Bad Gateway", "status": 502, "detail": "The skill failed.", "messageStored": True}
    api.respond("POST", "/ada/messages", problem, 502)
    api.open_ada()
    api.respond("GET", "/ada", {**state(1), "messages": [message(1, "User", "stored")]})
    api.send("stored")

    expect(api.page.get_by_role("log")).to_contain_text("stored")
    api.expect_alert("Your message is stored")


@pytest.mark.parametrize("status", [None, 502])
def test_whether_a_message_without_a_problem_document_is_stored_is_not_known(
    api: StandIn, status: int | None
) -> None:
    if status:
        api.respond("POST", "/ada/messages", None, status)
    api.open_ada()
    api.send("Hi")
    api.expect_alert("reload before you send it again")


def test_a_key_that_is_wrong_or_that_no_header_allows_is_reported_and_gets_the_focus(api: StandIn) -> None:
    api.open("schlüssel für 🙂", "/api/chat/")  # a slash at the end changes nothing
    api.expect_alert("This is not a function key")
    assert api.requests == []

    api.respond("GET", "", None, 401)
    api.open("wrong")
    api.expect_alert("The function key is missing or wrong.")
    expect(api.key).to_be_focused()


def test_a_missing_response_is_reported(api: StandIn) -> None:
    del api.responses["GET", ""]
    api.open(path="/api/chat/")
    api.expect_alert("The app did not answer")
    assert len(api.requests) == 1, "below /api, as without the slash"


def test_all_pages_of_a_conversation_are_displayed_without_hidden_instructions(api: StandIn) -> None:
    pages = [[message(1, "User", "first")], [message(2, "Assistant", "second")]]

    def respond(request: Request) -> dict[str, Any]:
        if "includeInstructions" in request.url:
            return {"status": 403, "body": '{"title": "Forbidden", "status": 403}'}
        is_last = "continuationToken=a%2Bb" in request.url
        token = {} if is_last else {"continuationToken": "a+b"}
        return {"status": 200, "body": json.dumps({**state(2), "messages": pages[is_last], **token})}

    api.responses["GET", "/ada"] = respond
    api.open_ada()

    expect(api.page.locator("#messages > li")).to_have_count(2)
    expect(api.page.locator("#facts")).to_contain_text("hidden by this app")


def test_an_existing_assistant_is_not_replaced(api: StandIn) -> None:
    api.open()
    api.respond("PUT", "/ada", {"title": "Precondition Failed", "status": 412, "detail": "It exists."}, 412)
    api.page.get_by_label("Id").fill("ada")
    api.page.get_by_label("Instructions").fill("kept")
    api.page.get_by_role("button", name="Create").click()

    api.expect_alert("It exists.")
    assert api.requests[-1].headers["if-none-match"] == "*"
    expect(api.page.get_by_label("Instructions")).to_have_value("kept")


def test_every_control_has_a_name_and_the_keyboard_reaches_all(api: StandIn) -> None:
    api.open_ada()
    api.page.locator("#side > summary").click()
    controls = "button, input, textarea, summary, a[href]"
    visible = f"[...document.querySelectorAll('{controls}')].filter(e => e.checkVisibility())"
    names = api.page.evaluate(f"{visible}.map(e => e.id || e.textContent)")
    api.page.evaluate("document.activeElement.blur()")
    reached: set[str] = set()
    for _ in range(len(names) + 5):
        api.page.keyboard.press("Tab")
        name = api.page.evaluate("document.activeElement.id || document.activeElement.textContent")
        if name in names:
            reached.add(name)
            assert api.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", name
    assert set(names) == reached
    assert api.page.evaluate(f"{visible}.filter(e => !e.textContent && !e.labels?.length).length") == 0
