import pytest

from infra.stacks import ephemeral_stack, pull_request_of


@pytest.mark.parametrize("number", [1, 7, 12345])
def test_the_stack_of_a_pull_request_names_it(number: int) -> None:
    assert pull_request_of(ephemeral_stack(number)) == number


@pytest.mark.parametrize(
    "name",
    [
        "dev",
        "prod",
        "pr",
        "pr-",
        "pr-0",
        "pr-07",
        "pr-7x",
        "xpr-7",
        "pr-7\n",
        "PR-7",
        "pr-\u0667",
        "pr--7",
        "pr-7-old",
    ],
)
def test_no_other_name_is_taken_for_ephemeral(name: str) -> None:
    assert pull_request_of(name) is None
