"""The commands that a message names, as a user has to type them for the stack of this run.

Against local Azure a plain `pulumi up` would reach another backend, and the minimal runner has no CLI at all.
`python -m local_azure` sets the variable for the programs that it starts.
"""

import os
import re
from collections.abc import Mapping

VARIABLE = "ASSISTANT_STARTED_BY"
LOCAL_AZURE, RUNNER = "local_azure", "runner"
"""Values of the variable; not set or empty where `pulumi` and `python -m ops` work as they are."""

_PYTHON = ".venv/bin/python -m"
_STACK = re.compile(r" --stack \S+")
_CONFIG = re.compile(r"pulumi config (?P<verb>set|rm)(?: --path)? (?P<key>'[^']*'|\S+) ?(?P<value>.*)")


def as_typed(command: str, environment: Mapping[str, str] = os.environ) -> str:
    """A command `pulumi …` or `python -m ops …`, which may begin with variables, as it works for this run.

    `STACK` in it becomes the name of the stack where that is known.
    """
    stack = environment.get("PULUMI_STACK", "")
    command = command.replace("STACK", stack or "STACK")
    match environment.get(VARIABLE):
        case "local_azure":
            command = re.sub(r"(?<!\S)python -m ops", f"{_PYTHON} local_azure exec -- {_PYTHON} ops", command)
            return re.sub(r"(?<!\S)pulumi (?=\w)", f"{_PYTHON} local_azure pulumi ", command)
        case "runner":
            plain = _STACK.sub("", command)
            if config := _CONFIG.fullmatch(plain):
                change = "set {key}: {value}" if config["verb"] == "set" else "remove {key}"
                return f"in Pulumi.{stack or 'local'}.yaml, {change.format(**config.groupdict())}"
            if plain in ("pulumi up", "pulumi preview"):
                return "make local"
            return "make down, then make local"
        case _:
            return command
