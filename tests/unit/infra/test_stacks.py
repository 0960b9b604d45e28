import pytest

from infra.stacks import ephemeral_stack, pull_request_of


@pytest.mark.parametrize("number", [1, 7, 12345])
def test_the_stack_of_a_pull_request_has_its_number(number: int) -> None:
    assert pull_request_of(ephemeral_stack(number)) == number


OTHERS = [
    "dev",
    "prod",
    "pr",
    "pr-",
    "pr-0",
    "pr-07",
    "pr-7x",
    "xpr-7",
    "PR-7",
    "pr-\u0667",
    "pr--7",
    "pr-7-old",
]


@pytest.mark.parametrize("name", [*OTHERS, "pr-7\n"])
def test_no_other_name_is_that_of_a_pull_requests_stack(name: str) -> None:
    assert pull_request_of(name) is None
