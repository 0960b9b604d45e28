"""What the dynamic resources share. Each pickles by reference, because `infra` can be imported: the state
names the class, and the checkout's code runs."""

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from pulumi.dynamic.dynamic import PROVIDER_KEY


def recorded(props: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs as the state keeps them: without the pickled provider, which the SDK adds by itself."""
    return {key: value for key, value in props.items() if key != PROVIDER_KEY}


@contextmanager
def plain_failure(*expected: type[Exception]) -> Generator[None]:
    """Let an expected failure reach the user as its message.

    pulumi.dynamic sends the formatted traceback as the error's text; this limit, in a process that is
    only ours, takes the frames out of it.
    """
    try:
        yield
    except expected as error:
        sys.tracebacklimit = 0
        raise type(error)(str(error)) from None


def say(line: str) -> None:
    """For the user: what Pulumi's process for dynamic providers writes to stderr, the CLI shows."""
    sys.stderr.write(f"{line}\n")
