import pytest

from ops.github.github import BODY_LIMIT, GitHub
from ops.output import OpsError
from ops.preview.comment import MARKER, PART_LIMITS, update_part
from tests.github_server import REPOSITORY, TOKEN, FakeGitHub


@pytest.fixture(autouse=True)
def pull_request(fake_github: FakeGitHub) -> None:
    fake_github.add_pull_request(7)


def test_parts_share_one_comment_and_leave_each_other_alone(
    fake_github: FakeGitHub, repository: GitHub
) -> None:
    update_part(repository, 7, "test-stack", "address")
    update_part(repository, 7, "preview", "counts")
    update_part(repository, 7, "test-stack", "other\n\naddress")
    (body,) = fake_github.bodies(7)
    assert body == (
        f"{MARKER}\n\n<!-- part: preview -->\ncounts\n<!-- end of preview -->\n\n"
        "<!-- part: test-stack -->\nother\n\naddress\n<!-- end of test-stack -->"
    )


def test_an_empty_part_goes_and_with_the_last_the_comment(
    fake_github: FakeGitHub, repository: GitHub
) -> None:
    update_part(repository, 7, "test-stack", "address")
    update_part(repository, 7, "preview", "counts")
    update_part(repository, 7, "test-stack", "")
    assert "address" not in fake_github.bodies(7)[0]
    update_part(repository, 7, "preview", "")
    assert fake_github.bodies(7) == []


def test_the_same_part_again_writes_nothing(fake_github: FakeGitHub, repository: GitHub) -> None:
    update_part(repository, 7, "preview", "counts\n")
    before = fake_github.writes()
    update_part(repository, 7, "preview", "counts\n")
    assert fake_github.writes() == before


def test_two_comments_made_at_once_become_one_with_both_parts(
    fake_github: FakeGitHub, repository: GitHub
) -> None:
    def other_job(request: str) -> None:
        if request == "POST /issues/7/comments":
            fake_github.before_write = None
            update_part(repository, 7, "test-stack", "address")

    fake_github.before_write = other_job
    update_part(repository, 7, "preview", "counts")
    update_part(repository, 7, "preview", "new counts")
    (body,) = fake_github.bodies(7)
    assert "address" in body
    assert "new counts" in body


def test_a_part_that_another_job_overwrote_is_written_again(
    fake_github: FakeGitHub, repository: GitHub
) -> None:
    update_part(repository, 7, "test-stack", "old address")
    (stale,) = fake_github.bodies(7)
    done: list[str] = []

    class Slow(GitHub):
        """Between our write and our second look, a job that read before us writes."""

        def comments(self, number: int, marker: str) -> tuple[str, ...]:
            if not done:
                done.append("overwritten")
                (comment,) = fake_github.comments.values()
                comment["body"] = stale.replace("old address", "new address")
            return super().comments(number, marker)

    update_part(Slow(TOKEN, REPOSITORY, fake_github.url, pace=0), 7, "preview", "counts")
    (body,) = fake_github.bodies(7)
    assert "counts" in body
    assert "new address" in body


@pytest.mark.parametrize(
    ("part", "markdown", "message"),
    [
        ("other", "text", "no part 'other'"),
        ("preview", "é" * 29_001, "58002 bytes"),
        ("preview", "a\n<!-- end of preview -->", "separates parts"),
        ("preview", "<!-- part: test-stack -->\nb", "separates parts"),
    ],
)
def test_a_part_that_would_harm_the_comment_is_refused(
    fake_github: FakeGitHub, repository: GitHub, part: str, markdown: str, message: str
) -> None:
    with pytest.raises(OpsError, match=message):
        update_part(repository, 7, part, markdown)
    assert not fake_github.writes()


def test_all_parts_at_their_limit_fit_into_one_comment(fake_github: FakeGitHub, repository: GitHub) -> None:
    for part, limit in PART_LIMITS.items():
        update_part(repository, 7, part, "x" * limit)
    (body,) = fake_github.bodies(7)
    assert len(body.encode()) <= BODY_LIMIT
