"""What the chat page makes of the API's responses, in Chromium.

The API is one in memory, so that it can be slow, fail and be cut off; it is held to the OpenAPI document.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.chat_page import (
    KEY,
    ORIGIN,
    Answer,
    Assistant,
    ChatPage,
    call,
    hold,
    no_document,
    problem,
    reply,
    tool_result,
)
from tests.chromium import chromium
from tests.screenshots import STATES, fill

AXE = Path(__file__).parents[2] / "browser" / "node_modules" / "axe-core" / "axe.min.js"
PHONE, LANDSCAPE, DESKTOP = (320, 640), (640, 320), (1280, 800)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as chromium_browser:
        yield chromium_browser


@pytest.fixture
def chat(browser: Browser) -> Iterator[ChatPage]:
    context = browser.new_context(viewport={"width": 320, "height": 640})
    context.set_default_timeout(30_000)
    page = ChatPage(context.new_page())
    yield page
    page.close()
    assert page.errors == []
    assert all(request.url.startswith(f"{ORIGIN}/api/assistants") for request in page.requests)
    assert all(KEY not in request.url for request in page.requests)


def resize(chat: ChatPage, size: tuple[int, int]) -> None:
    chat.page.set_viewport_size({"width": size[0], "height": size[1]})


def pass_time_until(chat: ChatPage, locator: Locator, text: str) -> None:
    """Let the page's clock run until the text is there: at most five minutes of it."""
    for _ in range(300):
        if text in locator.inner_text():
            return
        chat.page.clock.run_for(1000)
    expect(locator).to_contain_text(text)


# A conversation: never twice, never lost


def test_a_message_appears_at_once_and_the_reply_takes_the_place_of_the_wait(chat: ChatPage) -> None:
    chat.open_ada()
    chat.answers["POST"] = [hold]
    chat.message.press_sequentially("one")
    chat.page.keyboard.press("Shift+Enter")
    chat.page.keyboard.type("two")
    chat.page.keyboard.press("Enter")

    expect(chat.log.locator(".user")).to_contain_text("one\ntwo")
    expect(chat.progress).to_contain_text("Thinking")
    expect(chat.message).to_have_value("")
    chat.page.keyboard.type("the next one")
    for key in ("Escape", "Enter"):
        chat.page.keyboard.press(key)
    chat.release(("Assistant", "three"))

    expect(chat.log.locator("li").last).to_contain_text("three")
    expect(chat.progress).to_be_hidden()
    expect(chat.message).to_have_value("the next one")
    expect(chat.message).to_be_focused()
    expect(chat.log.locator(".user")).to_have_count(1)
    expect(chat.page.locator("#facts")).to_have_text("2 messages · 42 tokens")
    assert chat.sent() == [{"message": "one\ntwo", "totalMessages": 0}]


def test_a_reload_while_waiting_shows_the_message_and_then_its_reply(chat: ChatPage) -> None:
    chat.open_ada()
    chat.answers["POST"] = [hold]
    chat.send("Good morning")
    expect(chat.progress).to_contain_text("Thinking")
    chat.message.fill("the next one")
    chat.page.reload()

    expect(chat.log.locator(".user")).to_contain_text("Good morning")
    expect(chat.progress).to_contain_text("Waiting for the reply")
    expect(chat.message).to_have_value("the next one")
    chat.store_held(("Assistant", "Good evening."))
    expect(chat.log).to_contain_text("Good evening.")
    expect(chat.progress).to_be_hidden()
    expect(chat.log.locator(".user")).to_have_count(1)
    assert len(chat.sent()) == 1


@pytest.mark.parametrize(
    "answer",
    [hold, no_document(502), problem(504, messageStored=None)],
    ids=["no response", "a gateway's 502", "504"],
)
@pytest.mark.parametrize("is_stored", [True, False], ids=["stored", "not stored"])
def test_what_is_not_known_is_looked_up_before_it_can_be_sent_again(
    chat: ChatPage, answer: Answer, is_stored: bool
) -> None:
    chat.page.clock.install()
    chat.open_ada()
    ada = chat.assistants["ada"]
    ada.is_locked = True
    chat.answers["POST"] = [answer]
    chat.send("Once")
    if answer is hold:
        chat.cut()
        expect(chat.progress).to_contain_text("connection was lost")
    else:
        expect(chat.progress).to_contain_text("Waiting for the reply")
    chat.message.press("Enter")
    chat.page.clock.run_for(20_000)
    expect(chat.progress).to_be_visible()
    ada.is_locked = False
    if is_stored:
        ada.add(("User", "Once"), ("Assistant", "Stored once."))
        pass_time_until(chat, chat.log, "Stored once.")
        expect(chat.message).to_have_value("")
    else:
        pass_time_until(chat, chat.notice, "Not sent.")
        expect(chat.message).to_have_value("Once")
        expect(chat.log.locator(".user")).to_have_count(0)
    del chat.answers["POST"]
    assert len(chat.sent()) == 1


def test_a_message_that_is_stored_late_is_not_stored_twice(chat: ChatPage) -> None:
    chat.page.clock.install()
    chat.open_ada()
    chat.answers["POST"] = [no_document(502)]
    chat.send("Once")
    pass_time_until(chat, chat.notice, "Not sent.")
    del chat.answers["POST"]
    chat.assistants["ada"].add(("User", "Once"), ("Assistant", "Late."))
    chat.message.press("Enter")
    pass_time_until(chat, chat.log, "Late.")
    expect(chat.log.locator(".user")).to_have_count(1)
    expect(chat.message).to_have_value("")
    expect(chat.notice).to_be_hidden()
    assert len(chat.assistants["ada"].messages) == 2


def test_a_message_to_a_conversation_that_somebody_else_continued_comes_back(chat: ChatPage) -> None:
    chat.page.clock.install()
    chat.open_ada()
    chat.assistants["ada"].add(("User", "From another tab"), ("Assistant", "Yes."))
    chat.send("And me?")
    pass_time_until(chat, chat.notice, "somebody else has written here")
    expect(chat.log).to_contain_text("From another tab")
    expect(chat.message).to_have_value("And me?")
    chat.message.press("Enter")
    expect(chat.log).to_contain_text("You said And me?")


def test_offline_the_message_waits_until_it_is_known_whether_it_is_stored(chat: ChatPage) -> None:
    chat.page.clock.install()
    chat.open_ada()
    chat.is_offline = True
    chat.page.context.set_offline(True)
    chat.send("Hello?")
    chat.message.press_sequentially("And more")
    pass_time_until(chat, chat.progress, "You are offline")
    chat.is_offline = False
    chat.page.context.set_offline(False)
    pass_time_until(chat, chat.notice, "Not sent.")
    expect(chat.message).to_have_value("Hello?\n\nAnd more")


def test_a_message_stored_without_a_reply_is_displayed(chat: ChatPage) -> None:
    chat.open_ada()
    stored = problem(502, messageStored=True)

    def store(page: ChatPage, assistant_id: str, body: Any) -> Any:
        page.assistants[assistant_id].add(("User", body["message"]))
        return stored(page, assistant_id, body)

    chat.answers["POST"] = [store]
    chat.send("stored")
    expect(chat.notice).to_contain_text("Your message is stored")
    expect(chat.log.locator(".user")).to_have_count(1)
    expect(chat.message).to_have_value("")


# Markdown, safely

MARKDOWN = """# Title
**bold**, *italic*, ~~gone~~, `code` &amp; &#8364;

1. one
   - [x] done
   - [ ] open
2. two

| a | b |
|---|--:|
| 1 | **2** |

```python
if a < b: print("&amp;")
```

> quote
> [link](https://example.com/a?b=c "d") <https://example.org>
"""


def test_a_reply_is_displayed_as_markdown_and_a_question_as_it_was_typed(chat: ChatPage) -> None:
    chat.open_ada(("User", "**as typed**"), ("Assistant", MARKDOWN))
    expect(chat.log.locator(".user")).to_contain_text("**as typed**")
    text = chat.log.locator(".markdown")
    for selector, content in {
        "h3.level1": "Title",
        "p > strong": "bold",
        "em": "italic",
        "del": "gone",
        "p > code": "code",
        "ol > li > ul": "☑ done☐ open",
        "th[align=right]": "b",
        "td strong": "2",
        "pre code": 'if a < b: print("&amp;")',
        ".code .bar span": "python",
    }.items():
        expect(text.locator(selector)).to_have_text(content)
    expect(text).to_contain_text("code & €")
    links = text.locator("blockquote a")
    assert links.evaluate_all("all => all.map(a => [a.href, a.rel, a.target])") == [
        [address, "noopener noreferrer nofollow", "_blank"]
        for address in ("https://example.com/a?b=c", "https://example.org/")
    ]


def test_code_is_copied_as_it_is(chat: ChatPage) -> None:
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=ORIGIN)
    chat.open_ada(("Assistant", "```\na <b>\n  c\n```"))
    chat.button("Copy").click()
    expect(chat.button("Copied")).to_be_visible()
    assert chat.page.evaluate("navigator.clipboard.readText()") == "a <b>\n  c"


EVIL = "document.title='owned'"
HOSTILE = {
    "markup": f'<img src=x onerror="{EVIL}"><script>{EVIL}</script><svg onload={EVIL}>',
    "markup that ends its element": '</pre></li><style>*{display:none}</style><a href="javascript:alert(1)">',
    "links": f"[a](javascript:{EVIL}) [b](JaVa&#x53;cript&colon;{EVIL}) [c](data:text/html,<b>)"
    f" [d](vbscript:x) [e](//evil.example) [f](\x01javascript:{EVIL}) <javascript:{EVIL}>",
    "an image that calls home": "![x](https://evil.example/a.png) [![y](//evil.example/b.png)](file:///etc/passwd)",
    "code, table and list with markup": f"```<img src=x onerror={EVIL}>\n<script>{EVIL}</script>\n```\n\n"
    f"|<img src=x onerror={EVIL}>|b|\n|---|---|\n|<b onclick={EVIL}>x|y|\n\n- <iframe srcdoc=x>",
    "one long word": "x" * 32_768,
    "one long word of code": "`" + "x" * 32_000 + "`\n\n```\n" + "y" * 500 + "\n```",
    "a wide table": "|" + "wide column|" * 40 + "\n|" + "-|" * 40,
    "right to left": "\u202e\u2067\u05e9\u05dc\u2066 \u0639\u0644\u064a \u202dabc",
    "NUL, lone surrogate, many lines": "a\0b\ud800c\n" * 500,
    "deep": ">" * 32_768,
    "deep lists": "\n".join(" " * depth + "- a" for depth in range(200)),
    "brackets": "![[" * 10_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_texts_stay_inert_and_do_not_break_the_layout(chat: ChatPage, text: str) -> None:
    chat.is_documented = False  # these roles do not exist
    chat.open_ada(
        ("System", text),
        ("User", text),
        {"role": "Assistant", "content": text, "toolCalls": [call(text[:80], text, text[:80])]},
        {"role": "Tool", "content": text, "toolCallId": text[:80]},
        (text[:80], text),
        ("Skill", text),
        ("Assistant", ""),
    )
    chat.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")

    # An HTML parser, and a text that goes through one, would have changed or dropped some of it.
    texts = chat.log.locator(":is(.user .text, .fold > div > .text)").evaluate_all(
        "all => all.map(e => e.textContent)"
    )
    assert texts == [text, text]
    assert text in chat.log.locator(".fold pre").evaluate_all("all => all.map(e => e.textContent)")
    expect(chat.log.locator("li").last).to_contain_text("(empty)")
    assert chat.page.title() == "Assistants"
    inert = ":is(img, script, style, iframe, svg, object, embed, form, [onclick], [onload], [onerror])"
    assert chat.log.locator(inert).count() == 0
    for address in chat.log.locator("a").evaluate_all("all => all.map(a => a.href)"):
        assert re.match("https?:|mailto:", address), address
    assert chat.page.evaluate("document.documentElement.scrollWidth") <= 320
    assert chat.page.evaluate("document.querySelector('#scroller').scrollWidth") <= 320


# Skills


def test_a_skill_is_one_line_that_unfolds(chat: ChatPage) -> None:
    calls = [
        call("AddTodo", '{"taskDescription": "buy milk and bread"}', "call_1"),
        call("GetTodos", '{"about": ""}', "call_2"),
        call("RollDice", '{"sides": 6, "of": ["a"]}', "call_3"),
        call("Forgotten", "not JSON", "call_4"),
    ]
    failure = "The function call failed. Let the user know and ask if they'd like you to try again"
    chat.open_ada(
        ("System", "Be brief."),
        ("User", "Hi"),
        {"role": "Assistant", "content": "", "toolCalls": calls},
        {"role": "Tool", "content": tool_result("AddTodo", "Added: it's"), "toolCallId": "call_1"},
        {"role": "Tool", "content": tool_result("GetTodos", "- one\n- two"), "toolCallId": "call_2"},
        {
            "role": "Tool",
            "content": f"Function Name: 'RollDice' and Function Result: '{failure}'",
            "toolCallId": "call_3",
        },
        ("Assistant", "Done."),
    )
    summaries = chat.log.locator("summary")
    assert summaries.all_inner_texts() == [
        "Instructions",
        "Used AddTodo: buy milk and bread",
        "Used GetTodos",
        'RollDice failed: 6, ["a"]',
        "Forgotten has no result",
    ]
    expect(chat.log).not_to_contain_text("Be brief.", use_inner_text=True)
    expect(chat.log).not_to_contain_text("Function Result")
    expect(chat.log).not_to_contain_text("call_1")
    summaries.nth(1).click()
    details = chat.log.locator("details[open] pre")
    assert details.all_inner_texts() == ['{"taskDescription": "buy milk and bread"}', "Added: it's"]
    chat.send("Another")
    expect(chat.log).to_contain_text("You said Another")
    expect(details.first).to_be_visible()


# Errors


def test_a_busy_model_is_asked_once_more_by_itself_and_then_by_the_person(chat: ChatPage) -> None:
    chat.page.clock.install()
    chat.open_ada()
    busy = problem(503, "30", messageStored=False)
    chat.answers["POST"] = [busy, busy, reply(("Assistant", "At last."))]
    chat.send("Hurry")
    expect(chat.progress).to_contain_text("busy. Trying again in 30 s")
    chat.page.clock.run_for(10_000)
    expect(chat.progress).to_contain_text("in 20 s")
    assert len(chat.sent()) == 1
    pass_time_until(chat, chat.notice, "Not sent. The model is busy.")
    assert len(chat.sent()) == 2
    expect(chat.message).to_have_value("Hurry")
    expect(chat.page.get_by_role("timer").last).to_contain_text("You can send again in 30 s.")
    chat.message.press("Enter")
    assert len(chat.sent()) == 2
    chat.page.clock.run_for(31_000)
    chat.button("Try again").click()
    expect(chat.log).to_contain_text("At last.")
    expect(chat.notice).to_be_hidden()
    assert len(chat.sent()) == 3


def test_a_retry_by_itself_can_be_taken_back(chat: ChatPage) -> None:
    chat.page.clock.install()
    chat.open_ada()
    chat.answers["POST"] = [problem(409, "5", messageStored=False)]
    chat.send("Wait")
    chat.button("Do not send").click()
    expect(chat.message).to_have_value("Wait")
    chat.page.clock.run_for(20_000)
    assert len(chat.sent()) == 1


def test_a_conversation_that_cannot_go_on_starts_over_with_its_instructions(chat: ChatPage) -> None:
    chat.open_ada(("System", "Be brief."), ("User", "Hi"), ("Assistant", "Hello."))
    chat.answers["POST"] = [problem(409, messageStored=False)]
    chat.send("Go on")
    expect(chat.notice).to_contain_text("Not sent. This conversation cannot go on.")
    expect(chat.notice.get_by_text("The conflict of the API.")).to_be_hidden()
    chat.notice.get_by_text("Details").click()
    expect(chat.notice.get_by_text("The conflict of the API.")).to_be_visible()
    chat.button("Start over").click()
    dialog = chat.page.get_by_role("dialog")
    expect(dialog).to_contain_text("3 messages will be deleted permanently")
    dialog.get_by_role("button", name="Start over").click()

    expect(chat.log.locator("li")).to_have_count(1)
    assert chat.sent("PUT") == [{"instructions": "Be brief."}]
    expect(chat.message).to_have_value("Go on")
    del chat.answers["POST"]
    chat.message.press("Enter")
    expect(chat.log).to_contain_text("You said Go on")


def test_an_assistant_that_was_deleted_elsewhere_leaves_the_list_and_takes_no_message(chat: ChatPage) -> None:
    resize(chat, DESKTOP)
    chat.open_ada()
    del chat.assistants["ada"]
    chat.send("Still there?")
    expect(chat.notice).to_contain_text("was deleted elsewhere")
    expect(chat.entry("ada")).to_have_count(0)
    expect(chat.message).to_have_value("Still there?")
    assert chat.message.get_attribute("readonly") is not None
    chat.button("New assistant").click()
    expect(chat.message).to_be_editable()


def test_a_name_that_exists_is_opened_or_another_is_chosen(chat: ChatPage) -> None:
    chat.assistants["ada"] = Assistant()
    chat.open()
    chat.button("New").click()
    chat.page.get_by_text("Name and instructions").click()
    chat.page.get_by_label("Name", exact=True).fill("ada")
    chat.page.get_by_label("Instructions").fill("kept")
    chat.answers["PUT"] = [problem(412)]
    chat.button("Create without a message").click()
    expect(chat.notice).to_contain_text("An assistant named ada exists already")
    expect(chat.page.get_by_label("Instructions")).to_have_value("kept")
    put = next(request for request in chat.requests if request.method == "PUT")
    assert put.headers["if-none-match"] == "*"
    chat.button("Open it").click()
    expect(chat.page.get_by_role("heading", name="ada", exact=True)).to_be_visible()


def test_a_key_that_is_wrong_or_that_no_header_allows_is_reported_and_gets_the_focus(chat: ChatPage) -> None:
    refuse: Answer = no_document(401)
    key = chat.page.get_by_label("Key", exact=True)
    notice = chat.page.locator("#side-notice")
    chat.answers["GET"] = [refuse, refuse, no_document(401)]
    chat.open("", "/api/chat/")  # a slash at the end changes nothing
    expect(key).to_be_focused()
    expect(notice).to_be_hidden()
    key.fill("schlüssel für 🙂")
    key.press("Enter")
    expect(notice).to_contain_text("This is not a function key")
    assert len(chat.requests) == 1
    key.fill("wrong")
    key.press("Enter")
    expect(notice).to_contain_text("The key is missing or was refused.")
    expect(key).to_be_focused()
    del chat.answers["GET"]
    chat.assistants["ada"] = Assistant()
    key.fill(KEY)
    key.press("Enter")
    expect(chat.entry("ada")).to_be_visible()
    expect(key).to_be_hidden()
    expect(chat.page.get_by_text("Function key: works")).to_be_visible()


def test_a_key_that_expires_while_sending_is_asked_for_and_the_message_is_kept(chat: ChatPage) -> None:
    chat.open_ada()
    chat.answers["POST"] = [no_document(401)]
    chat.send("Hi")
    expect(chat.page.get_by_label("Key", exact=True)).to_be_focused()
    del chat.answers["POST"]
    chat.page.keyboard.type(KEY)
    chat.page.keyboard.press("Enter")
    chat.choose("ada")
    expect(chat.message).to_have_value("Hi")


REFUSED: list[tuple[Answer, str]] = [
    (problem(400, errors=[{"in": "body", "detail": "contains U+0000"}]), "This message cannot be stored."),
    (problem(500, messageStored=False), "The app could not do this."),
]


@pytest.mark.parametrize(("answer", "text"), REFUSED, ids=["400", "500"])
def test_a_message_that_is_refused_comes_back(chat: ChatPage, answer: Answer, text: str) -> None:
    chat.open_ada()
    chat.answers["POST"] = [answer]
    chat.send("Hi")
    expect(chat.notice).to_contain_text(f"Not sent. {text}")
    expect(chat.message).to_have_value("Hi")


def test_a_message_that_is_too_long_is_not_cut_and_not_sent(chat: ChatPage) -> None:
    chat.open_ada()
    chat.send("x" * 32_770)
    expect(chat.notice).to_contain_text("2 characters longer than a message may be")
    assert chat.sent() == []


def test_a_list_that_cannot_be_read_is_tried_again(chat: ChatPage) -> None:
    chat.assistants["ada"] = Assistant()
    chat.answers["GET"] = [no_document(502)]
    chat.open(path="/api/chat/")
    notice = chat.page.locator("#side-notice")
    expect(notice).to_contain_text("The app could not do this.")
    del chat.answers["GET"]
    chat.button("Try again").click()
    expect(chat.entry("ada")).to_be_visible()
    expect(notice).to_be_hidden()


# Layout


def box(chat: ChatPage, selector: str) -> Any:
    return chat.page.locator(selector).bounding_box()


@pytest.mark.parametrize("size", [PHONE, LANDSCAPE, DESKTOP], ids=["320 px", "landscape phone", "desktop"])
def test_list_and_conversation_scroll_on_their_own_above_a_small_composer(
    chat: ChatPage, size: tuple[int, int]
) -> None:
    resize(chat, size)
    for index in range(60):
        chat.assistants[f"a-{index:02}"] = Assistant()
    chat.assistants["a-00"].add(*[("User", "Hi"), ("Assistant", "Hello.\n\n" * 3)] * 20)
    chat.open()
    chat.choose("a-00")
    width, height = size
    document = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    assert chat.page.evaluate(document) == [width, height]
    scroller, composer = box(chat, "#scroller"), box(chat, "#composer")
    assert composer["height"] <= 100
    assert composer["y"] + composer["height"] <= height
    assert scroller["height"] >= height * 0.5
    assert chat.page.evaluate("document.querySelector('#scroller').scrollTop") > 0, "it opens at its end"
    if chat.back.is_visible():
        chat.back.click()
        expect(chat.entry("a-00")).to_be_focused()
    listed = chat.page.locator("#assistants")
    assert listed.evaluate("e => e.scrollHeight > e.clientHeight")
    assert box(chat, "#assistants")["y"] + box(chat, "#assistants")["height"] <= height


def test_a_new_message_does_not_move_what_is_being_read(chat: ChatPage) -> None:
    chat.assistants["bob"] = Assistant()
    chat.open_ada(*[("User", "Hi"), ("Assistant", "Hello.\n\n" * 9)] * 9)
    scroller, top = chat.page.locator("#scroller"), "e => Math.round(e.scrollTop)"
    chat.answers["POST"] = [hold]
    chat.send("And?")
    expect(chat.progress).to_be_in_viewport()
    scroller.evaluate("e => { e.scrollTop = 200; }")
    expect(scroller).to_have_js_property("scrollTop", 200)
    chat.page.evaluate("new Promise(requestAnimationFrame)")
    chat.release()
    latest = chat.button("New message ↓")
    expect(latest).to_be_visible()
    assert scroller.evaluate(top) == 200
    latest.click()
    expect(latest).to_be_hidden()
    expect(chat.log.locator("li").last).to_be_in_viewport()
    scroller.evaluate("e => { e.scrollTop = 200; }")
    chat.page.evaluate("new Promise(requestAnimationFrame)")
    chat.choose("bob")
    chat.choose("ada")
    assert scroller.evaluate(top) == 200
    chat.send("More")
    expect(chat.log).to_contain_text("You said More")
    expect(chat.log.locator("li").last).to_be_in_viewport()
    expect(latest).to_be_hidden()


# The list


def test_the_list_shows_what_was_used_last_first_and_finds_by_the_beginning_of_an_id(chat: ChatPage) -> None:
    chat.page_size = 200
    for index in range(700):
        chat.assistants[f"a-{index:03}"] = Assistant(updated=f"2026-11-{index % 20 + 1:02}T08:00:00Z")
    chat.assistants["a-007"] = Assistant(updated="2026-12-01T08:00:00Z")
    chat.assistants["a-007"].add(("User", "Hi"))
    for index in range(1250):
        chat.assistants[f"m-{index:04}"] = Assistant()
    chat.assistants["zebra"] = Assistant()
    chat.open()
    count, first = chat.page.locator("#count"), chat.page.locator("#assistants button").first
    expect(count).to_have_text("600 assistants loaded by id, last used first; more than 1,000 more.")
    assert ["includeRemaining" in request.url for request in chat.requests] == [False, False, True]
    expect(first).to_contain_text("a-007")
    expect(first).to_contain_text(re.compile(r"1 message\b"))
    search = chat.page.get_by_label("Find by the beginning of the id")
    search.fill("ze")
    expect(count).to_have_text("1 found")
    expect(first).to_contain_text("zebra")
    for hostile in ("x' or PartitionKey eq 'ada", "../", "<b>", "ä"):
        before = len(chat.requests)
        search.fill(hostile)
        expect(count).to_have_text("An id has only letters, digits, _ and -.")
        assert len(chat.requests) == before
    search.fill("nothing")
    expect(count).to_have_text("None found")
    for text, found in {"m-": "200 found, more than 1,000 more", "m-0": "200 found, 800 more"}.items():
        search.fill(text)
        expect(count).to_have_text(found)
    search.fill("")
    # The search has loaded 201 of those that follow.
    expect(count).to_have_text("801 assistants loaded by id, last used first; more than 799 more.")
    chat.button("Load more").click()
    expect(count).to_have_text("1,401 assistants loaded by id, last used first; 550 more.")
    chat.button("Load more").click()
    expect(count).to_have_text("1,951 assistants, last used first")
    expect(chat.button("Load more")).to_be_hidden()


NAMES = {
    "Please add a todo: buy milk & bread today!": "please-add-a-todo-buy-milk",
    "Wie geht's? Grüße über Köln": "wie-geht-s-gru-e-uber",
    "你好": "chat",
    "x" * 100: "chat",
}


@pytest.mark.parametrize(("text", "assistant_id"), NAMES.items(), ids=range(len(NAMES)))
def test_a_new_assistant_is_named_after_its_first_message(
    chat: ChatPage, text: str, assistant_id: str
) -> None:
    resize(chat, DESKTOP)
    for index in range(60):
        chat.assistants[f"m-{index:02}"] = Assistant()
    chat.open()
    chat.send(text)
    expect(chat.page.get_by_role("heading", name=assistant_id, exact=True)).to_be_visible()
    expect(chat.log).to_contain_text(f"You said {text}")
    expect(chat.entry(assistant_id)).to_be_in_viewport()
    assert (chat.sent("PUT"), len(chat.sent())) == ([None], 1)


def test_a_name_of_a_message_that_exists_gets_an_end_and_one_of_a_person_is_kept(chat: ChatPage) -> None:
    chat.open()
    chat.answers["PUT"] = [
        problem(412),
        lambda page, name, body: page.create(name, body),
    ]
    chat.button("New").click()
    chat.send("Hello")
    expect(chat.page.locator("#title")).to_have_text(re.compile("^hello-[0-9a-f]{4}$"))
    expect(chat.log).to_contain_text("You said Hello")
    del chat.answers["PUT"]
    chat.back.click()
    chat.button("New").click()
    chat.page.get_by_text("Name and instructions").click()
    chat.page.get_by_label("Name", exact=True).fill("Trip to Paris")
    chat.button("Create without a message").click()
    expect(chat.page.get_by_role("heading", name="trip-to-paris", exact=True)).to_be_visible()
    assert len(chat.sent()) == 1


def test_all_pages_of_a_conversation_are_displayed_without_hidden_instructions(chat: ChatPage) -> None:
    chat.shows_instructions = False
    chat.conversation_page_size = 2
    chat.open_ada(("System", "secret"), *[("User", "Hi"), ("Assistant", "Hello.")] * 3)
    expect(chat.log.locator("li")).to_have_count(6)
    expect(chat.page.locator("#facts")).to_contain_text("instructions hidden by this app")


def test_delete_asks_first(chat: ChatPage) -> None:
    chat.open_ada()
    chat.button("Delete").click()
    expect(chat.button("Keep it")).to_be_focused()
    chat.page.keyboard.press("Escape")
    assert "ada" in chat.assistants
    chat.button("Delete").click()
    chat.button("Delete it").click()
    expect(chat.page.locator("#status")).to_have_text("ada is deleted.")
    expect(chat.button("New")).to_be_focused()
    expect(chat.entry("ada")).to_have_count(0)
    assert chat.assistants == {}


# While a reply is awaited


def test_other_conversations_can_be_used_while_a_reply_is_awaited(chat: ChatPage) -> None:
    resize(chat, DESKTOP)
    chat.assistants["bob"] = Assistant()
    chat.open_ada()
    chat.answers["POST"] = [hold, problem(409, messageStored=False)]
    chat.send("Slow")
    chat.message.fill("a draft for ada")
    expect(chat.entry("ada")).to_contain_text("waiting for the reply")
    chat.choose("bob")
    expect(chat.message).to_have_value("")
    expect(chat.progress).to_be_hidden()
    chat.send("Fast")
    expect(chat.notice).to_contain_text("cannot go on")
    chat.release()
    expect(chat.entry("ada")).to_contain_text("new reply")
    expect(chat.page.locator("#status")).to_have_text("New reply from ada.")
    expect(chat.log).not_to_contain_text("Here you are.")
    chat.choose("ada")
    expect(chat.log).to_contain_text("Here you are.")
    expect(chat.message).to_have_value("a draft for ada")
    expect(chat.notice).to_be_hidden()
    expect(chat.entry("ada")).not_to_contain_text("new reply")
    chat.choose("bob")
    expect(chat.message).to_have_value("Fast")
    expect(chat.notice).to_contain_text("cannot go on")


# The key


def test_a_key_in_the_address_leaves_it_at_once_and_is_kept_in_the_tab_only(chat: ChatPage) -> None:
    chat.assistants["ada"] = Assistant()
    chat.open()
    expect(chat.entry("ada")).to_be_visible()
    assert chat.page.url == f"{ORIGIN}/api/chat"
    assert {request.headers.get("x-functions-key") for request in chat.requests} == {KEY}
    assert chat.page.evaluate("[localStorage.length, document.cookie, history.length]") == [0, "", 2]
    other = chat.page.context.new_page()
    chat.answers["GET"] = [no_document(401)]
    other.goto(f"{ORIGIN}/api/chat")
    expect(other.get_by_label("Key", exact=True)).to_have_value("")
    expect(other.get_by_label("Key", exact=True)).to_be_focused()
    del chat.answers["GET"]
    other.goto(f"{ORIGIN}/api/chat#key={KEY}")  # into the open page: nothing is loaded
    expect(other.locator("#assistants button")).to_have_count(1)
    assert other.url == f"{ORIGIN}/api/chat"


# People


def confirmation(chat: ChatPage) -> None:
    chat.choose("hello")
    chat.button("Delete").click()
    expect(chat.button("Keep it")).to_be_visible()


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("reach", [*STATES, confirmation], ids=lambda reach: reach.__name__)
def test_axe_reports_no_violation(
    chat: ChatPage, reach: Callable[[ChatPage], None], size: tuple[int, int]
) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: run `make browser`")
    resize(chat, size)
    fill(chat)
    chat.open()
    reach(chat)
    chat.page.evaluate(AXE.read_text())
    schemes: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
    for scheme in schemes:
        chat.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")

        report = chat.page.evaluate("axe.run()")

        violations = [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in report["violations"]]
        assert violations == [], scheme
        assert len(report["passes"]) > 15  # fewer rules apply under a dialog


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_every_control_has_a_name_and_the_keyboard_reaches_all(chat: ChatPage, size: tuple[int, int]) -> None:
    resize(chat, size)
    fill(chat)
    chat.open()
    chat.choose("pizza-for-saturday")
    controls = "button, input, textarea, summary, a[href], pre[tabindex], .table"
    visible = f"[...document.querySelectorAll('{controls}')].filter(e => e.checkVisibility())"
    name_of = "e => e.id || e.ariaLabel || e.textContent"
    names = chat.page.evaluate(f"{visible}.map({name_of})")
    chat.page.evaluate("document.activeElement.blur()")
    reached: set[str] = set()
    for _ in range(len(names) + 8):
        chat.page.keyboard.press("Tab")
        name = chat.page.evaluate(f"({name_of})(document.activeElement)")
        if name in names:
            reached.add(name)
            assert chat.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", (
                name
            )
    assert set(names) == reached
    unnamed = f"{visible}.filter(e => !e.textContent && !e.labels?.length && !e.ariaLabel).length"
    assert chat.page.evaluate(unnamed) == 0
