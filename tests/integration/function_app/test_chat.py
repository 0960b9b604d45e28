"""The chat page: how it is served, and what it makes of the API's answers, in a real Chromium.

The answers are written here, so that there are hostile and failing ones. With the real API the page
is tested in tests/e2e/test_chat_page.py.
"""

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import azure.functions as func
import pytest
from assistants.routes import chat
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, expect

from delivery import package
from tests.chromium import chromium

APP = Path(__file__).parents[3] / "function_app"
ORIGIN = "https://app.example"
KEY = "a-key-of-the-test"
AXE = Path(__file__).parents[2] / "browser" / "node_modules" / "axe-core" / "axe.min.js"


# How it is served


def policy() -> dict[str, str]:
    text = chat.page().headers["Content-Security-Policy"]
    return {name: value for name, _, value in (part.partition(" ") for part in text.split("; "))}


def chat_page(shown: bool) -> Any:
    app = func.FunctionApp()
    app.register_functions(chat.blueprint(shown))
    [function] = app.get_functions()
    return function


@pytest.mark.parametrize(("shown", "status"), [(True, 200), (False, 404)])
def test_the_page_is_served_only_if_it_is_enabled(shown: bool, status: int) -> None:
    request = func.HttpRequest(method="GET", url="/api/chat", body=b"")

    answer: func.HttpResponse = chat_page(shown).get_user_function()(request)

    assert answer.status_code == status
    assert answer.get_body() == (chat.page().get_body() if shown else b"")
    assert ("Content-Security-Policy" in answer.headers) == shown


def test_the_route_needs_no_key_and_has_no_parameters() -> None:
    bindings = [json.loads(binding) for binding in chat_page(True).get_raw_bindings()]

    assert bindings == [
        {
            "direction": "IN",
            "type": "httpTrigger",
            "name": "req",
            "methods": ["GET"],
            "authLevel": "ANONYMOUS",
            "route": "chat",
        },
        {"direction": "OUT", "type": "http", "name": "$return"},
    ]


def test_the_policy_allows_only_inline_style_and_script() -> None:
    body = chat.page().get_body().decode()
    for directive, element in (("script-src", "script"), ("style-src", "style")):
        [content] = re.findall(rf"<{element}[^>]*>(.*?)</{element}>", body, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert policy()[directive] == f"'sha256-{digest}'"
    assert policy()["default-src"] == "'none'"
    assert policy()["connect-src"] == "'self'"
    assert "unsafe" not in str(policy())


def test_the_page_names_no_other_host_and_is_small() -> None:
    body = chat.page().get_body()

    assert len(body) < 40_000
    assert re.findall(rb"(?:https?:)?//[a-z]", body) == []
    assert re.findall(rb"\sstyle=|\son[a-z]+=\"|innerHTML", body) == []


def test_the_page_is_read_at_the_first_request_only() -> None:
    script = (
        "import sys; opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)\n"
        "from assistants.routes import chat\n"
        "chat.blueprint(True)\n"
        "assert not [name for name in opened if 'page.' in name], opened\n"
        "chat.page()\n"
        "assert [name for name in opened if 'page.' in name]\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=APP, check=True)


def test_the_package_ships_the_page() -> None:
    assert {f"assistants/routes/chat_page/page.{kind}" for kind in ("html", "css", "js")} <= set(
        package.app_files(APP)
    )


# What it makes of answers


class Api:
    """The page at its address, and the answers of an API that a test sets; None is one that never comes."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[Request] = []
        self.console: list[str] = []
        self.answers: dict[tuple[str, str], Callable[[Request], dict[str, Any] | None]] = {}
        self.answer("GET", "", {"assistants": [state()]})
        self.answer("GET", "/ada", {**state(), "messages": []})
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.route("**/*", self._answer)

    def answer(
        self, method: str, path: str, body: object, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        kind = "application/json" if status < 400 else "application/problem+json"
        response = {
            "status": status,
            "body": "" if body is None else json.dumps(body),
            "headers": {"content-type": kind, **(headers or {})},
        }
        self.answers[method, path] = lambda _: response

    def open(self, key: str = KEY, path: str = "/api/chat") -> None:
        self.page.goto(f"{ORIGIN}{path}")
        self.page.get_by_label("Key", exact=True).fill(key)
        self.page.keyboard.press("Enter")

    def open_ada(self) -> None:
        self.open()
        self.page.get_by_role("button", name="ada").click()
        expect(self.page.get_by_role("heading", name="ada")).to_be_visible()

    def _hear(self, message: ConsoleMessage) -> None:
        # A refused request is written there by the browser itself.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.console.append(message.text)

    def _answer(self, route: Route, request: Request) -> None:
        url = request.url.removeprefix(ORIGIN).split("?")[0]
        if url.rstrip("/") == "/api/chat":
            shown = chat.page()
            headers = {**shown.headers, "content-type": "text/html; charset=utf-8"}
            route.fulfill(status=200, body=shown.get_body(), headers=headers)
            return
        self.requests.append(request)
        answer = self.answers.get((request.method, url.removeprefix("/api/assistants")))
        if answer is None:
            route.abort()
            return
        if response := answer(request):
            route.fulfill(**response)


def state(messages: int = 0, tokens: int = 0) -> dict[str, Any]:
    moment = "2026-11-25T08:00:00.1234567Z"
    return {
        "assistantId": "ada",
        "createdAt": moment,
        "lastUpdatedAt": moment,
        "totalMessages": messages,
        "totalTokens": tokens,
    }


def message(number: int, role: str, content: str, **more: object) -> dict[str, Any]:
    moment = "2026-11-25T08:00:00.1234567Z"
    return {
        "number": number,
        "role": role,
        "content": content,
        "createdAt": moment,
        "toolCalls": [],
        **more,
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as chromium_browser:
        yield chromium_browser


@pytest.fixture
def api(browser: Browser) -> Iterator[Api]:
    context = browser.new_context(viewport={"width": 320, "height": 640})
    context.set_default_timeout(30_000)
    made = Api(context.new_page())
    yield made
    context.close()
    assert made.console == []
    assert all(request.url.startswith(f"{ORIGIN}/api/assistants") for request in made.requests)
    assert all(KEY not in request.url for request in made.requests)


HOSTILE = {
    "markup": "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>",
    "markup that ends its element": '</pre></li><style>*{display:none}</style><a href="javascript:alert(1)">',
    "one long word": "x" * 32_768,
    "right to left": "\u202e\u2067\u05e9\u05dc\u2066 \u0639\u0644\u064a \u202dabc",
    "NUL, lone surrogate, many lines": "a\0b\ud800c\n" * 500,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_messages_are_displayed_as_text_and_do_not_break_the_layout(api: Api, text: str) -> None:
    calls = [{"id": text[:80], "functionName": text[:80], "functionArguments": text, "kind": "Function"}]
    messages = [
        message(1, "System", text),
        message(2, "User", text),
        message(3, "Assistant", text, toolCalls=calls),
        message(4, "Tool", text, toolCallId=text[:80]),
        message(5, text[:80], text),
    ]
    api.answer("GET", "/ada", {**state(5), "messages": messages})
    api.open_ada()

    # An HTML parser, and a text that goes through one, would have changed or dropped some of it.
    shown = api.page.evaluate("[...document.querySelectorAll('#messages .text')].map(e => e.textContent)")
    arguments = api.page.evaluate("document.querySelector('.call pre').textContent")

    assert [shown, arguments] == [[text] * 5, text]
    assert api.page.title() == "Assistants"
    assert api.page.locator("#messages :is(img, script, style, a, iframe)").count() == 0
    assert api.page.evaluate("document.documentElement.scrollWidth") <= 320


def test_a_key_is_sent_as_a_header_and_kept_in_the_tab_only(api: Api) -> None:
    api.open_ada()

    assert {request.headers.get("x-functions-key") for request in api.requests} == {KEY}
    assert api.page.evaluate("[localStorage.length, document.cookie, location.search + location.hash]") == [
        0,
        "",
        "",
    ]
    other = api.page.context.new_page()
    other.route("**/*", api._answer)  # pyright: ignore[reportPrivateUsage] # the same app in another tab
    other.goto(f"{ORIGIN}/api/chat")
    expect(other.get_by_label("Key", exact=True)).to_have_value("")


def test_enter_sends_and_shift_enter_starts_a_line(api: Api) -> None:
    added = [message(2, "User", "one\ntwo"), message(3, "Assistant", "three")]
    answer = {**state(3, 40), "reply": "three", "messages": added}
    api.answer("POST", "/ada/messages", answer)
    api.open_ada()

    api.page.get_by_label("Message", exact=True).press_sequentially("one")
    api.page.keyboard.press("Shift+Enter")
    api.page.keyboard.type("two")
    api.page.keyboard.press("Enter")
    expect(api.page.get_by_role("log")).to_contain_text("three")

    assert api.requests[-1].post_data_json == {"message": "one\ntwo"}
    expect(api.page.get_by_label("Message", exact=True)).to_have_value("")
    expect(api.page.get_by_label("Message", exact=True)).to_be_focused()
    expect(api.page.locator("#facts")).to_contain_text("40")


@pytest.mark.parametrize("status", [409, 503])
def test_an_error_keeps_the_message_and_counts_down_to_the_retry(api: Api, status: int) -> None:
    detail = "Another request writes this <b>conversation</b>."
    problem = {"title": "Busy", "status": status, "detail": detail, "messageStored": False}
    api.answer("POST", "/ada/messages", problem, status, {"retry-after": "60"})
    api.page.clock.install()
    api.open_ada()
    field = api.page.get_by_label("Message", exact=True)
    field.fill("keep me")
    field.press("Enter")
    expect(api.page.get_by_role("alert")).to_contain_text(f"{status} Busy")
    expect(api.page.get_by_role("alert")).to_contain_text(detail)
    expect(api.page.get_by_role("alert")).to_contain_text("not stored")
    expect(field).to_have_value("keep me")
    expect(api.page.get_by_role("timer")).to_contain_text("Try again in")
    sent = len(api.requests)
    field.press("Enter")
    assert len(api.requests) == sent

    api.page.clock.fast_forward(61_000)
    expect(api.page.get_by_role("timer")).to_be_empty()
    field.press("Enter")
    expect(api.page.get_by_role("timer")).to_contain_text("Try again in")
    assert len(api.requests) == sent + 1
    expect(api.page.get_by_role("button", name="Stop waiting")).to_be_hidden()
    api.page.keyboard.press("Escape")
    expect(api.page.get_by_role("alert")).to_be_hidden()


def test_escape_ends_the_wait_and_keeps_the_message(api: Api) -> None:
    api.answers["POST", "/ada/messages"] = lambda _: None
    api.open_ada()
    field = api.page.get_by_label("Message", exact=True)
    field.fill("keep me")
    field.press("Enter")
    expect(api.page.get_by_role("button", name="Stop waiting")).to_be_visible()
    field.press("Enter")
    api.page.keyboard.press("Escape")

    expect(api.page.get_by_role("status")).to_contain_text("reload to see")
    expect(field).to_have_value("keep me")
    expect(field).to_be_focused()
    assert [request.method for request in api.requests].count("POST") == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_reports_no_violation(api: Api, scheme: Literal["light", "dark"]) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: run `make browser`")
    call = {"id": "call_1", "functionName": "AddTodo", "functionArguments": "{}", "kind": "Function"}
    talk = [message(1, "User", "one"), message(2, "Assistant", "", toolCalls=[call])]
    api.answer(
        "GET", "/ada", {**state(3), "messages": [*talk, message(3, "Tool", "done", toolCallId="call_1")]}
    )
    api.answer("POST", "/ada/messages", {"title": "Conflict", "detail": "Busy."}, 409, {"retry-after": "60"})
    api.page.emulate_media(color_scheme=scheme)
    api.open_ada()
    api.page.locator("#side > summary").click()
    api.page.get_by_label("Message", exact=True).fill("three")
    api.page.keyboard.press("Enter")
    expect(api.page.get_by_role("alert")).to_be_visible()

    api.page.evaluate(AXE.read_text())
    report = api.page.evaluate("axe.run()")

    violations = [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in report["violations"]]
    assert violations == []
    assert len(report["passes"]) > 20


def test_a_message_stored_without_a_reply_is_displayed(api: Api) -> None:
    problem = {"title": "Bad Gateway", "status": 502, "detail": "The skill failed.", "messageStored": True}
    api.answer("POST", "/ada/messages", problem, 502)
    api.open_ada()
    api.answer("GET", "/ada", {**state(1), "messages": [message(1, "User", "stored")]})
    api.page.get_by_label("Message", exact=True).fill("stored")
    api.page.keyboard.press("Enter")

    expect(api.page.get_by_role("log")).to_contain_text("stored")
    expect(api.page.get_by_role("alert")).to_contain_text("Your message is stored")


@pytest.mark.parametrize("status", [None, 500, 502])
def test_whether_a_message_without_a_problem_document_is_stored_is_not_known(
    api: Api, status: int | None
) -> None:
    if status:
        api.answer("POST", "/ada/messages", None, status)
    api.open_ada()
    api.page.get_by_label("Message", exact=True).fill("Hi")
    api.page.keyboard.press("Enter")

    expect(api.page.get_by_role("alert")).to_contain_text("reload before you send it again")


def test_a_wrong_key_is_reported_and_gets_the_focus(api: Api) -> None:
    api.answer("GET", "", None, 401)
    api.open("wrong")

    expect(api.page.get_by_role("alert")).to_contain_text("The function key is missing or wrong.")
    expect(api.page.get_by_label("Key", exact=True)).to_be_focused()


def test_a_trailing_slash_in_the_address_changes_nothing(api: Api) -> None:
    api.open(path="/api/chat/")

    expect(api.page.get_by_role("button", name="ada")).to_be_visible()


def test_a_key_that_no_header_allows_is_reported(api: Api) -> None:
    api.open("schlüssel für 🙂")

    expect(api.page.get_by_role("alert")).to_contain_text("This is not a function key")
    assert api.requests == []


def test_a_missing_response_is_reported(api: Api) -> None:
    del api.answers["GET", ""]
    api.open()

    expect(api.page.get_by_role("alert")).to_contain_text("The app did not answer")


def test_all_pages_of_a_conversation_are_displayed_without_hidden_instructions(api: Api) -> None:
    pages = [[message(1, "User", "first")], [message(2, "Assistant", "second")]]

    def answer(request: Request) -> dict[str, Any]:
        if "includeInstructions" in request.url:
            return {"status": 403, "body": '{"title": "Forbidden", "status": 403}'}
        last = "continuationToken=a%2Bb" in request.url
        body = {**state(2), "messages": pages[int(last)]}
        return {"status": 200, "body": json.dumps(body if last else {**body, "continuationToken": "a+b"})}

    api.answers["GET", "/ada"] = answer
    api.open_ada()

    expect(api.page.locator("#messages > li")).to_have_count(2)
    expect(api.page.locator("#facts")).to_contain_text("hidden by this app")


def test_an_existing_assistant_is_not_replaced(api: Api) -> None:
    api.open()
    problem = {"title": "Precondition Failed", "status": 412, "detail": "It exists."}
    api.answer("PUT", "/ada", problem, 412)
    api.page.get_by_label("Id").fill("ada")
    api.page.get_by_label("Instructions").fill("kept")
    api.page.get_by_role("button", name="Create").click()

    expect(api.page.get_by_role("alert")).to_contain_text("It exists.")
    assert api.requests[-1].headers["if-none-match"] == "*"
    expect(api.page.get_by_label("Instructions")).to_have_value("kept")


def test_every_control_has_a_name_and_the_keyboard_reaches_all(api: Api) -> None:
    api.open_ada()
    api.page.locator("#side > summary").click()
    shown = "button, input, textarea, summary, a[href]"
    visible = f"[...document.querySelectorAll('{shown}')].filter(e => e.checkVisibility())"
    names = api.page.evaluate(f"{visible}.map(e => e.id || e.textContent)")
    api.page.evaluate("document.activeElement.blur()")
    reached: list[str] = []
    for _ in range(len(names) + 5):
        api.page.keyboard.press("Tab")
        now = api.page.evaluate("document.activeElement.id || document.activeElement.textContent")
        outline = api.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        if now in names:
            reached.append(now)
            assert outline == "solid", now
    assert set(names) <= set(reached)
    assert api.page.evaluate(f"{visible}.filter(e => !e.textContent && !e.labels?.length).length") == 0
