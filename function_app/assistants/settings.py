"""The app settings that this code reads. Nothing else here reads the environment.

The settings of the storage connection (`AzureWebJobsStorage__*`) are read by the host and
by the OpenAI extension, never by this code.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import azure.functions as func

from assistants.checks import instructions_problems

DEFAULT_INSTRUCTIONS = (
    "Don't make assumptions about what values to plug into functions.\n"
    "Ask for clarification if a user request is ambiguous."
)

_AUTH_LEVELS = {"function": func.AuthLevel.FUNCTION, "anonymous": func.AuthLevel.ANONYMOUS}


@dataclass(frozen=True)
class Settings:
    http_auth_level: func.AuthLevel
    default_instructions: str


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check every setting; raise ValueError that names all that are wrong.

    It runs while the host indexes the app, so a wrong setting fails the deployment with
    this message instead of failing requests later.
    """
    problems: list[str] = []
    level = environment.get("HTTP_AUTH_LEVEL", "function")
    if level not in _AUTH_LEVELS:
        problems.append(f"HTTP_AUTH_LEVEL is {level!r}: it must be one of {', '.join(sorted(_AUTH_LEVELS))}.")
    instructions = environment.get("DEFAULT_INSTRUCTIONS", DEFAULT_INSTRUCTIONS)
    problems += [f"DEFAULT_INSTRUCTIONS {problem}." for problem in instructions_problems(instructions)]
    if problems:
        raise ValueError(f"App settings: {' '.join(problems)}")
    return Settings(_AUTH_LEVELS[level], instructions)
