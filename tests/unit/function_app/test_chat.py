"""How the chat page is served."""

import base64
import hashlib
import re

import azure.functions as func
import pytest
from assistants.routes import chat

from tests.host_requests import bindings_of, functions_of, request


@pytest.mark.parametrize("is_enabled", [True, False])
def test_the_page_is_served_without_a_key_and_only_if_it_is_enabled(is_enabled: bool) -> None:
    function = functions_of(chat.blueprint(is_enabled))["ChatPage"]
    trigger = bindings_of(function)["httpTrigger"]
    assert (trigger["route"], trigger["authLevel"]) == ("chat", "ANONYMOUS")

    response: func.HttpResponse = function.get_user_function()(request("GET"))

    assert response.status_code == (200 if is_enabled else 404)
    assert response.get_body() == (chat.page().get_body() if is_enabled else b"")
    assert ("Content-Security-Policy" in response.headers) == is_enabled


def test_the_policy_allows_only_the_inline_style_and_scripts() -> None:
    page = chat.page()
    assert page.mimetype == "text/html"
    directives = page.headers["Content-Security-Policy"].split("; ")
    policy = dict(directive.split(" ", 1) for directive in directives)
    for directive, element in (("script-src", "script"), ("style-src", "style")):
        contents = re.findall(rf"<{element}[^>]*>(.*?)</{element}>", page.get_body().decode(), re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in contents]
        assert policy.pop(directive) == " ".join(f"'sha256-{digest}'" for digest in digests)
    assert policy.pop("connect-src") == "'self'"
    assert policy.pop("require-trusted-types-for") == "'script'"
    assert set(policy) == {"default-src", "base-uri", "form-action", "frame-ancestors", "trusted-types"}
    assert set(policy.values()) == {"'none'"}


def test_other_headers_keep_the_page_out_of_frames_caches_and_referrers() -> None:
    headers = dict(chat.page().headers)
    del headers["Content-Security-Policy"]
    assert headers == {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-cache",
    }


def test_the_page_names_no_other_host_and_is_small() -> None:
    body = chat.page().get_body().decode()
    assert len(body.encode()) < 150_000
    license_and_library = re.findall(r"<script>(.*?)</script>", body, re.DOTALL)
    assert license_and_library[0].startswith("/*\n# License information")
    for text in (body.replace(license_and_library[0], ""), license_and_library[0]):
        assert re.findall(r"\sstyle=|\son[a-z]+=\"|innerHTML|sourceMappingURL", text) == []
    own = body.replace(license_and_library[0], "")
    assert re.findall(r"(?:https?:)?//[a-z]", own) == []


def test_the_modules_are_one_script_in_the_order_of_their_imports() -> None:
    known: set[str] = set()
    for name in chat.MODULES:
        text = (chat.FOLDER / name).read_text("utf-8")
        assert set(re.findall(r'from "\./([^"]+)";', text)) <= known
        known.add(name)
    assert known == {path.name for path in chat.FOLDER.glob("*.js")}
    script = chat.page().get_body().decode().rpartition('<script type="module">')[2]
    assert not re.search(r"^(import|export)\b", script, re.MULTILINE)
