"""Reads and checks the settings of a stack."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pulumi
import yaml

from delivery.package import DEFAULT_PYTHON, PACKAGE_VARIABLE, PROJECT_ROOT, PYTHON_ENDS
from infra.settings.combinations import combined_problems
from infra.settings.declarations import SETTINGS, Settings
from infra.settings.schema import InvalidSettingsError, build, read_values
from infra.settings.stack_config import read_stack_file, stack_config
from infra.stacks import EPHEMERAL_CONFIG, pull_request_of


def today() -> date:
    """The day on which a model must not have retired."""
    return datetime.now(UTC).date()


def read() -> Settings:
    """The settings of the current stack. Raises `InvalidSettingsError`."""
    raw, secret_keys = stack_config()
    stack = pulumi.get_stack()
    path = _stack_file(stack, PROJECT_ROOT)
    file_config = read_stack_file(path, pulumi.get_project())
    if pull_request_of(stack) is not None:
        if not path.is_file():
            raise pulumi.RunError(f"{path} is missing: restore it with `git checkout {path.name}`")
        # The stack's own config, in which the program sees only the defaults of Pulumi.yaml, counts less.
        raw |= file_config
    return parse(raw, today=today(), stack=stack, secret_keys=secret_keys)


def _stack_file(stack: str, root: Path) -> Path:
    return root / (f"Pulumi.{stack}.yaml" if pull_request_of(stack) is None else EPHEMERAL_CONFIG)


def python_version_of(stack: str, root: Path = PROJECT_ROOT) -> str:
    """The `pythonVersion` of a stack, from its file in a checkout: a package for it is built for that Python.

    It is not checked here: the program does that, and before it the code that builds or loads a package.
    """
    project = yaml.safe_load((root / "Pulumi.yaml").read_text(encoding="utf-8"))["name"]
    return read_stack_file(_stack_file(stack, root), project).get("pythonVersion", DEFAULT_PYTHON)


def python_warnings(wanted: str, built_for: str, today: date) -> list[str]:
    """Warnings about `pythonVersion` and the Python that the package was built for. Pure."""
    warnings: list[str] = []
    if built_for != wanted:
        warnings.append(
            f"The package of {PACKAGE_VARIABLE} was built for Python {built_for}, so the function app runs "
            f"on it instead of on pythonVersion {wanted}."
        )
    end = PYTHON_ENDS[built_for]
    if today + timedelta(days=365) >= end:
        warnings.append(
            f"Azure's support of Python {built_for} ends on {end}. To change to {DEFAULT_PYTHON}: "
            f"pulumi config set pythonVersion {DEFAULT_PYTHON}"
        )
    return warnings


def parse(
    raw: Mapping[str, str],
    *,
    today: date,
    stack: str = "dev",
    secret_keys: Collection[str] = (),
) -> Settings:
    """Settings from the config of the project's own namespace, keys without it. Pure.

    Values are text as the engine passes them; arrays and objects are JSON. `today` decides which models have
    retired. Raises `InvalidSettingsError` with every problem.
    """
    values, problems = read_values(SETTINGS, raw, secret_keys)
    defaults, _ = read_values(SETTINGS, {})  # in place of invalid values, whose combinations are not checked
    settings = build(Settings, {**defaults, **values})
    model = replace(settings.model, location=settings.model.location or settings.location)
    settings = replace(settings, model=model)
    problems += combined_problems(settings, today, SETTINGS.keys() - values.keys())
    if problems:
        raise InvalidSettingsError(problems, stack)
    return settings
