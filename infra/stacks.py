"""What the name of a stack determines. Pure."""

import re

# Pull requests are numbered from 1; without leading zeros, so that each has only one name.
_EPHEMERAL = re.compile(r"pr-([1-9][0-9]{0,9})")

EPHEMERAL_CONFIG = "Pulumi.pr.yaml"
"""The file with the settings of all stacks of pull requests."""


PULL_REQUEST_TAG = "pullRequest"
"""Tag of every resource of such a stack, with the number of the pull request."""


def own_tags(project: str, stack: str) -> dict[str, str]:
    """The tags that the program sets itself."""
    number = pull_request_of(stack)
    pull_request_tag = {} if number is None else {PULL_REQUEST_TAG: str(number)}
    return {"project": project, "stack": stack, **pull_request_tag}


def ephemeral_stack(pull_request: int) -> str:
    return f"pr-{pull_request}"


def pull_request_of(stack: str) -> int | None:
    """The pull request of a stack, or None. The sweep destroys only stacks of pull requests."""
    match = _EPHEMERAL.fullmatch(stack)
    return int(match[1]) if match else None
