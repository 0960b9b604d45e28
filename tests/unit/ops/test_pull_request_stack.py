"""Who may have a test stack, and what the comment says of it."""

import pytest

from ops.commands import pull_request_stack
from ops.commands.pull_request_stack import StepError, destroyed, failed, left, ready, refuse, working
from ops.github.github import PullRequest
from ops.output import OpsError
from ops.preview.comment import PART_LIMITS
from ops.release.smoke import Target

REPOSITORY = "octo-org/assistants"
TARGET = Target(
    "rg-pr-7", "func-pr-7", "https://func-pr-7.azurewebsites.net", "https://st.table.core.windows.net"
)


def pull_request(
    state: str = "open", head: str | None = REPOSITORY, labels: tuple[str, ...] = (pull_request_stack.LABEL,)
) -> PullRequest:
    return PullRequest(7, state, "a" * 40, head, "topic", "main", frozenset(labels), "octocat")  # type: ignore[arg-type]


def test_an_open_labelled_pull_request_of_the_repository_may_have_one() -> None:
    refuse(pull_request(), 7, REPOSITORY, True)


def test_a_person_needs_no_label() -> None:
    refuse(pull_request(labels=()), 7, REPOSITORY, False)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, "has no pull request #7"),
        (pull_request("closed"), "is closed"),
        (pull_request("merged"), "is merged"),
        (pull_request(head="someone/assistants"), "comes from someone/assistants"),
        (pull_request(head=None), "a deleted fork"),
        (pull_request(labels=("bug",)), "not labelled 'test-stack'"),
    ],
)
def test_another_may_not(found: PullRequest | None, reason: str) -> None:
    with pytest.raises(OpsError, match=reason):
        refuse(found, 7, REPOSITORY, True)


def test_the_comment_says_how_to_call_a_stack_and_holds_no_key() -> None:
    text = ready("pr-7", TARGET)

    assert "https://func-pr-7.azurewebsites.net/api/assistants/hello" in text
    assert "az functionapp keys list --resource-group rg-pr-7 --name func-pr-7" in text


HOSTILE = "~~~\n```\n````\n<!-- part: preview -->\n<!-- end of test-stack -->\n@everyone [x](javascript:1)\n"
LONG = ["x" * 100_000, "\u6f22" * 10_000, "\u6f22\n" * 10_000]


@pytest.mark.parametrize("text", [HOSTILE, HOSTILE * 500, *LONG, ""])
def test_what_failed_stays_inside_its_block_and_below_the_parts_limit(text: str) -> None:
    error = StepError("pulumi up", "exit code 1", text)

    for comment in (failed("pr-7", error, "https://x/1"), left("pr-7", text or "why", "")):
        lines = comment.splitlines()
        (opening,) = [number for number, line in enumerate(lines) if line.endswith("`text")]
        mark = lines[opening].removesuffix("text")
        assert [number for number, line in enumerate(lines) if line.strip() == mark] == [len(lines) - 1]
        assert not any(line.startswith("<!--") for line in lines)
        assert len(comment.encode()) <= PART_LIMITS[pull_request_stack.PART]


def test_every_state_of_a_stack_names_it() -> None:
    for comment in (working("pr-7", ""), destroyed("pr-7")):
        assert "`pr-7`" in comment


@pytest.mark.parametrize(
    "secret", ["AccountKey=c2VjcmV0", f"ghp_{'a' * 36}", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"]
)
def test_what_looks_like_a_secret_is_not_told(secret: str) -> None:
    told = f"error: it answered 403 to {secret} and gave up"
    for comment in (failed("pr-7", StepError("pulumi up", "", told), ""), left("pr-7", told, "")):
        assert secret not in comment
        assert "it answered 403 to [hidden] and gave up" in comment
