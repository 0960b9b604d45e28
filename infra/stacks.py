"""What a stack's name says. Pure."""

import re

# GitHub numbers pull requests from 1; no leading zero, so that each has one name.
_EPHEMERAL = re.compile(r"pr-([1-9][0-9]{0,9})")

EPHEMERAL_CONFIG = "Pulumi.pr.yaml"
"""Where every stack of a pull request takes its settings from."""


PULL_REQUEST_TAG = "pullRequest"
"""On every resource of such a stack: which pull request it stands for, for whoever finds it in the portal."""


def own_tags(project: str, stack: str) -> dict[str, str]:
    """The tags that the program sets itself."""
    number = pull_request_of(stack)
    pull_request_tag = {} if number is None else {PULL_REQUEST_TAG: str(number)}
    return {"project": project, "stack": stack, **pull_request_tag}


def ephemeral_stack(pull_request: int) -> str:
    return f"pr-{pull_request}"


def pull_request_of(stack: str) -> int | None:
    """The pull request that a stack was made for, or None: only such a stack may be swept away."""
    match = _EPHEMERAL.fullmatch(stack)
    return int(match[1]) if match else None
