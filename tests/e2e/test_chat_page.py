"""A person at the page `GET /api/chat`, in a real Chromium and by the keyboard alone."""

import re
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.chromium import chromium
from tests.e2e.conftest import Target

TURN_MS = 60_000  # a model of Azure's may take its time


@pytest.fixture
def page(target: Target) -> Iterator[Page]:
    """The page before it is opened. Afterwards: no request went to another host, none contained the key."""
    url = chat_url(target)
    if target.send_to(url, "GET").status == 404:
        pytest.skip("the setting chatPage is off in this stack")
    with chromium() as browser:
        # Every other test here checks the certificate; a browser does not read local Azure's file.
        context = browser.new_context(viewport={"width": 390, "height": 844}, ignore_https_errors=True)
        context.set_default_timeout(TURN_MS)
        page = context.new_page()
        urls: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request: urls.append(request.url.partition("#")[0]))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
    assert {urlsplit(requested).netloc for requested in urls} == {urlsplit(url).netloc}
    assert target.key not in " ".join(urls)
    # The browser itself writes there that a request failed, as the first one without a key.
    assert [error for error in errors if not error.startswith("Failed to load resource")] == []


def chat_url(target: Target) -> str:
    return re.sub("assistants$", "chat", target.assistants_url)


def say(page: Page, text: str) -> None:
    expect(page.get_by_label("Message", exact=True)).to_be_focused()
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def said(page: Page, text: str) -> None:
    """The message is there, and answered."""
    expect(page.get_by_role("log").locator(".user").last).to_contain_text(text)
    expect(page.locator("#progress")).to_be_hidden(timeout=TURN_MS)
    expect(page.locator("#notice")).to_be_hidden()


def test_create_talk_use_a_skill_reload_and_delete_by_the_keyboard(page: Page, target: Target) -> None:
    assistant_id = f"e2e-{uuid.uuid4().hex}"
    log = page.get_by_role("log")
    response = page.goto(chat_url(target))
    assert response
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    expect(page.get_by_label("Key", exact=True)).to_be_focused()
    page.keyboard.type(target.key)
    page.keyboard.press("Enter")

    expect(page.get_by_role("button", name="New", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_text("Name and instructions").focus()
    page.keyboard.press("Enter")
    for text in (assistant_id, "Be brief."):
        page.keyboard.press("Tab")
        page.keyboard.type(text)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=assistant_id)).to_be_visible()
    expect(log.get_by_text("Instructions")).to_be_visible()

    say(page, "Good morning")
    said(page, "Good morning")
    expect(log.locator(".assistant")).to_have_count(1)
    say(page, "Please add a todo: buy milk")
    said(page, "Please add a todo: buy milk")
    skill = log.locator("summary").filter(has_text="Used AddTodo: ")
    expect(skill).to_contain_text("buy milk")
    assert "Function Name" not in "".join(log.locator(".fold").all_text_contents())
    text = log.inner_text()
    rows = target.rows(assistant_id)
    [state] = [row for row in rows if row["RowKey"] == "state"]
    assert state["TotalMessages"] == len(rows) - 1
    facts = f"{state['TotalMessages']} messages · {state['TotalTokens']} tokens"
    expect(page.locator("#facts")).to_have_text(facts)

    page.reload()
    expect(page.get_by_role("heading", name=assistant_id)).to_be_visible()
    expect(skill).to_be_visible()
    assert log.inner_text() == text

    page.get_by_role("button", name="Delete", exact=True).focus()
    for key in ("Enter", "Tab", "Enter"):  # asked first, the button that keeps it has the focus
        page.keyboard.press(key)
    expect(page.locator("#status")).to_contain_text("is deleted")
    assert target.rows(assistant_id) == []
    expect(page.locator(f"#assistants button[data-id='{assistant_id}']")).to_have_count(0)
