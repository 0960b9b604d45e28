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
    """The open page. Afterwards: no request went to another host, and no address contained the key."""
    url = re.sub("assistants$", "chat", target.assistants_url)
    if target.send_to(url, "GET").status == 404:
        pytest.skip("the setting chatPage is off in this stack")
    with chromium() as browser:
        # Every other test here checks the certificate; a browser does not read local Azure's file.
        context = browser.new_context(viewport={"width": 390, "height": 844}, ignore_https_errors=True)
        context.set_default_timeout(TURN_MS)
        page = context.new_page()
        urls: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request: urls.append(request.url))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        response = page.goto(url)
        assert response
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        yield page
    assert {urlsplit(requested).netloc for requested in urls} == {urlsplit(url).netloc}
    assert target.key not in " ".join(urls)
    assert errors == []


def say(page: Page, text: str) -> None:
    field = page.get_by_label("Message", exact=True)
    expect(field).to_be_focused()
    page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(field).to_have_value("", timeout=TURN_MS)


def test_create_talk_use_a_skill_reload_and_delete_by_the_keyboard(page: Page, target: Target) -> None:
    assistant_id = f"e2e-{uuid.uuid4().hex}"
    log = page.get_by_role("log")
    expect(page.get_by_label("Key", exact=True)).to_be_focused()
    page.keyboard.type(target.key)
    page.keyboard.press("Enter")

    new = page.get_by_label("Id", exact=True)
    expect(new).to_be_visible()
    new.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type(assistant_id)
    page.keyboard.press("Tab")
    page.keyboard.type("Be brief.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=assistant_id)).to_be_visible()
    expect(log).to_contain_text("Be brief.")

    say(page, "Good morning")
    expect(log.locator(".Assistant")).to_have_count(1)
    say(page, "Please add a todo: buy milk")
    expect(log.locator(".call").filter(has_text="AddTodo")).to_contain_text("buy milk")
    expect(log.locator(".Tool")).to_have_count(1)
    text = log.inner_text()
    rows = target.rows(assistant_id)
    [state] = [row for row in rows if row["RowKey"] == "state"]
    assert state["TotalMessages"] == len(rows) - 1 == log.locator("#messages > li").count()
    expect(page.locator("#fact-Tokens")).to_have_text(re.compile(rf"Tokens\s*{state['TotalTokens']}$"))

    page.reload()
    expect(page.get_by_role("heading", name=assistant_id)).to_be_visible()
    assert log.inner_text() == text

    delete = page.get_by_role("button", name="Delete", exact=True)
    delete.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    assert target.rows(assistant_id) == rows
    delete.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("is deleted")
    assert target.rows(assistant_id) == []
    expect(page.get_by_role("button", name=assistant_id)).to_have_count(0)
