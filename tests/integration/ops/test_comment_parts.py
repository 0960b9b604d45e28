from contextlib import nullcontext

import pytest

from ops.github.github import BODY_LIMIT, GitHub
from ops.output import OpsError
from ops.preview.comment import MARKER, PART_LIMITS, update_parts
from tests.github_server import REPOSITORY, TOKEN, FakeGitHub


@pytest.fixture(autouse=True)
def pull_request(fake_github: FakeGitHub) -> None:
    fake_github.add_pull_request(7)


def test_parts_share_one_comment_and_are_independent(fake_github: FakeGitHub, repository: GitHub) -> None:
    update_parts(repository, 7, {"test-stack": "address"})
    update_parts(repository, 7, {"preview": "counts\n"})
    update_parts(repository, 7, {"test-stack": "other\n\naddress"})
    preview = "<!-- part: preview -->\ncounts\n<!-- end of preview -->"
    test_stack = "<!-- part: test-stack -->\nother\n\naddress\n<!-- end of test-stack -->"
    assert fake_github.bodies(7) == [f"{MARKER}\n\n{preview}\n\n{test_stack}"]
    before = fake_github.writes()
    update_parts(repository, 7, {"preview": "counts\n"})
    assert fake_github.writes() == before
    update_parts(repository, 7, {"test-stack": ""})
    assert fake_github.bodies(7) == [f"{MARKER}\n\n{preview}"]
    update_parts(repository, 7, {"preview": ""})
    assert fake_github.bodies(7) == []


def test_two_comments_of_jobs_at_the_same_time_become_one(
    fake_github: FakeGitHub, repository: GitHub
) -> None:
    def other_job(request: str) -> None:
        if request == "POST /issues/7/comments":
            fake_github.before_write = None
            update_parts(repository, 7, {"test-stack": "address"})

    fake_github.before_write = other_job
    update_parts(repository, 7, {"preview": "counts"})
    update_parts(repository, 7, {"preview": "new counts"})
    (body,) = fake_github.bodies(7)
    assert "address" in body
    assert "new counts" in body


@pytest.mark.parametrize(("times", "is_written"), [(1, True), (2, True), (3, False)])
def test_a_part_that_another_job_has_overwritten_is_written_again(
    fake_github: FakeGitHub, repository: GitHub, times: int, is_written: bool
) -> None:
    update_parts(repository, 7, {"test-stack": "old address"})
    (stale,) = fake_github.bodies(7)
    (comment,) = fake_github.comments.values()

    class Slow(GitHub):
        """Between a write and the next read, another job writes what it has read before."""

        overwritten = 0

        def comments(self, number: int, marker: str) -> tuple[str, ...]:
            if self.overwritten < times:
                self.overwritten += 1
                comment["body"] = stale.replace("old address", f"address {self.overwritten}")
            return super().comments(number, marker)

    slow = Slow(TOKEN, REPOSITORY, fake_github.url, pace=0)
    with nullcontext() if is_written else pytest.raises(OpsError, match="#7 was overwritten 3 times"):
        update_parts(slow, 7, {"preview": "counts"})
    assert ("counts" in comment["body"]) is is_written
    assert f"address {times}" in comment["body"]


def test_all_parts_at_their_limit_fit_into_one_comment(fake_github: FakeGitHub, repository: GitHub) -> None:
    for part, limit in PART_LIMITS.items():
        update_parts(repository, 7, {part: "x" * limit})
    (body,) = fake_github.bodies(7)
    assert len(body.encode()) <= BODY_LIMIT
