"""What is lowered or opened is a warning; what is raised, closed or new is not."""

import pytest

from ops.preview.report import Change, Op, Resource, Value
from ops.preview.warnings import consequences
from ops.state import GUARD, LOG_WORKSPACE, MODEL_DEPLOYMENT, SITE, STORAGE_ACCOUNT

SCALE = "functionAppConfig.scaleAndConcurrency."
ORIGINS = "siteConfig.cors.allowedOrigins"


def value(text: str) -> Value:
    return Value("text", text) if text else Value("absent")


def warnings(type_: str, *changes: tuple[str, str, str], op: Op = "update") -> list[str]:
    """The texts for changes of JSON values; an empty text is an absent value."""
    listed = [Change(path, value(old), value(new)) for path, old, new in changes]
    resource = Resource(op, type_, "one", changes=tuple(listed))
    return [text.format(new) for _, text, new in consequences(resource)]


@pytest.mark.parametrize(
    ("type_", "path", "old", "new", "warning"),
    [
        (LOG_WORKSPACE, "retentionInDays", "90", "30", "logs older than 30 days are deleted"),
        (LOG_WORKSPACE, "retentionInDays", "30", "90", ""),
        (LOG_WORKSPACE, "workspaceCapping.dailyQuotaGb", "5", "1", "logs beyond 1 GB a day are dropped"),
        (LOG_WORKSPACE, "workspaceCapping.dailyQuotaGb", "-1", "5", "logs beyond 5 GB a day are dropped"),
        (LOG_WORKSPACE, "workspaceCapping.dailyQuotaGb", "5", "-1", ""),
        (MODEL_DEPLOYMENT, "sku.capacity", "50", "10", "the model refuses requests (429) beyond 10 thousand"),
        (STORAGE_ACCOUNT, "sku.capacity", "50", "10", ""),
        (SITE, f"{SCALE}maximumInstanceCount", "100", "40", "the app scales to at most 40 instances"),
        (SITE, f"{SCALE}alwaysReady.http.instanceCount", "2", "1", "a cold start beyond 1 warm"),
        (SITE, f"{SCALE}alwaysReady.http.instanceCount", "2", "", "a cold start beyond 0 warm"),
        (SITE, f"{SCALE}alwaysReady.http.instanceCount", "", "1", ""),
        (SITE, "EXPOSE_INSTRUCTIONS", '"false"', '"true"', "callers can read the system prompts"),
        (SITE, "EXPOSE_INSTRUCTIONS", '"true"', '"false"', ""),
        (SITE, "HTTP_AUTH_LEVEL", '"function"', '"anonymous"', "everybody may call the API"),
        (SITE, "ASSISTANT_RETENTION_DAYS", '"0"', '"7"', "assistants that are idle for 7 days are deleted"),
        (SITE, "ASSISTANT_RETENTION_DAYS", '"7"', '"0"', ""),
        (SITE, f"{ORIGINS}[0]", "", '"https://a.example"', "pages of https://a.example may call the API"),
        (SITE, f"{ORIGINS}[0]", "", '"*"', "pages of every web site may call the API"),
        (SITE, f"{ORIGINS}[0]", '"https://a.example"', "", ""),
        (STORAGE_ACCOUNT, "allowSharedKeyAccess", "false", "true", "account keys give access to all"),
        (GUARD, "protected", "true", "false", "the stack can be destroyed, with all conversations"),
        (SITE, "CHAT_MODEL_MAX_TOKENS", '"many"', '"{few}"', ""),
        (LOG_WORKSPACE, "retentionInDays", "90", "3{0", ""),
    ],
)
def test_a_change_has_the_warning_of_its_row(type_: str, path: str, old: str, new: str, warning: str) -> None:
    listed = warnings(type_, (path, old, new))
    assert bool(listed) == bool(warning)
    assert all(warning in text for text in listed)


def test_an_origin_that_only_moves_in_the_list_is_not_opened() -> None:
    moved = ((f"{ORIGINS}[0]", '"https://a"', '"https://b"'), (f"{ORIGINS}[1]", '"https://b"', ""))
    assert warnings(SITE, *moved) == []


@pytest.mark.parametrize("op", ["create", "import", "delete"])
def test_what_is_new_or_goes_warns_of_nothing(op: Op) -> None:
    assert warnings(LOG_WORKSPACE, ("retentionInDays", "90", "30"), op=op) == []
