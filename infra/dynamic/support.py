"""What the dynamic resources share."""

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from pulumi.dynamic import ConfigureRequest, DiffResult, ResourceProvider, UpdateResult
from pulumi.dynamic.dynamic import PROVIDER_KEY


def recorded(props: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs for the state, without the pickled provider, which the SDK adds."""
    return {key: value for key, value in props.items() if key != PROVIDER_KEY}


class Provider(ResourceProvider):
    """A provider that records its inputs as the state.

    It is pickled by reference, because `infra` can be imported: the pickle has only the name of the class,
    and the code of the checkout runs.
    """

    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:
        self._config = req.config.get

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        return DiffResult(changes=recorded(_news) != recorded(_olds))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(recorded(_news))


@contextmanager
def plain_failure(*expected: type[Exception]) -> Generator[None]:
    """Report an expected error as its message only.

    pulumi.dynamic sends the formatted traceback as the text of the error. The limit removes its frames; the
    process runs only dynamic providers of this project.
    """
    try:
        yield
    except expected as error:
        sys.tracebacklimit = 0
        raise type(error)(str(error)) from None


def say(line: str) -> None:
    """Print a line for the user: the CLI prints the stderr of Pulumi's process for dynamic providers."""
    sys.stderr.write(f"{line}\n")
