"""`make screenshots`: eight states of the chat page, on a desktop and a phone, in light and dark."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.chat_page import Assistant, ChatPage, call, hold, problem, tool_result
from tests.chromium import chromium

FOLDER = Path(__file__).resolve().parent.parent / ".build" / "screenshots"
SCREENS = {
    "desktop": {"width": 1280, "height": 800},
    "phone": {"width": 390, "height": 844},
}
RECIPE = """Here is a plan for **Saturday**, with what you have at home:

1. Make the dough in the morning, it needs *four hours*.
2. Chop the tomatoes, and keep the juice.

| Ingredient | Amount | At home |
|---|--:|---|
| Flour | 500 g | yes |
| Tomatoes | 800 g | no |

The oven takes `250 °C`. This scales the dough:

```python
def flour(people: int) -> int:
    return 160 * people  # grams
```

> Buy the tomatoes on [Friday](https://example.com/market).
"""


def fill(chat: ChatPage) -> None:
    names = (
        "pizza-for-saturday",
        "translate-a-letter",
        "release-notes",
        "hello",
        "tax-questions-2026",
        "garden",
    )
    for index, name in enumerate(names):
        chat.assistants[name] = Assistant(updated=f"2026-11-{28 - index}T08:00:00Z")
        chat.assistants[name].add(*[("User", "Hi"), ("Assistant", "Hello.")] * (index + 1))
    pizza = chat.assistants["pizza-for-saturday"] = Assistant(tokens=842, updated="2026-11-30T08:00:00Z")
    pizza.add(
        ("System", "Be brief."),
        ("User", "Please add a todo: buy milk and bread. And how do I make pizza for six?"),
        {
            "role": "Assistant",
            "content": "",
            "toolCalls": [call("AddTodo", '{"taskDescription":"buy milk and bread"}')],
        },
        {
            "role": "Tool",
            "content": tool_result("AddTodo", "Added: buy milk and bread"),
            "toolCallId": "call_1",
        },
        ("Assistant", RECIPE),
    )


def conversation(chat: ChatPage) -> None:
    chat.choose("pizza-for-saturday")
    expect(chat.log).to_contain_text("This scales the dough")


def skill(chat: ChatPage) -> None:
    conversation(chat)
    chat.page.get_by_text("Used AddTodo").click()


def waiting(chat: ChatPage) -> None:
    chat.choose("hello")
    chat.answers["POST"] = [hold]
    chat.send("What can you do for me?")
    expect(chat.progress).to_contain_text("Thinking")


def busy(chat: ChatPage) -> None:
    chat.choose("hello")
    chat.answers["POST"] = [problem(503, "9", messageStored=False)]
    chat.send("What can you do for me?")
    expect(chat.progress).to_contain_text("Trying again in")


def dead_end(chat: ChatPage) -> None:
    chat.choose("release-notes")
    chat.answers["POST"] = [problem(409, messageStored=False)]
    chat.send("Write the next ones, please.")
    expect(chat.notice).to_contain_text("cannot go on")


def listed(chat: ChatPage) -> None:
    expect(chat.page.locator("#count")).to_contain_text("6 assistants")


def new(chat: ChatPage) -> None:
    chat.button("New").click()
    chat.page.get_by_text("Name and instructions").click()


def key(chat: ChatPage) -> None:
    listed(chat)
    chat.answers["GET"] = [lambda _page, _id, _body: (401, None, {})]
    chat.page.evaluate("sessionStorage.clear()")
    chat.open("")
    expect(chat.page.get_by_label("Key", exact=True)).to_be_visible()


STATES: tuple[Callable[[ChatPage], None], ...] = (
    listed,
    conversation,
    skill,
    waiting,
    busy,
    dead_end,
    new,
    key,
)


def take(browser: Browser) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for screen, size in SCREENS.items():
        for scheme in ("light", "dark"):
            for state in STATES:
                context = browser.new_context(viewport=size, color_scheme=scheme, has_touch=screen == "phone")  # pyright: ignore[reportArgumentType] # a dict of its two members
                chat = ChatPage(context.new_page())
                fill(chat)
                chat.open()
                state(chat)
                file = FOLDER / f"{state.__name__}-{screen}-{scheme}.png"
                chat.page.screenshot(path=file, animations="disabled")
                print(file)
                chat.close()


if __name__ == "__main__":
    with chromium() as browser:
        take(browser)
