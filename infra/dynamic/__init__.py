"""Dynamic resources: what azure-native has no resource for.

A dynamic provider is pickled by reference into the state, and `refresh` and `destroy` load it from there
without the program. So every provider names this package as its module: its file may move, and states that
were written before still load. States from before infra/dynamic/ name infra.deployment, infra.guard,
infra.purge and infra.replacement, which are kept for them.
"""

from importlib import import_module

_MODULES = {
    "DeletionGuardProvider": "deletion_guard",
    "DeployedCodeProvider": "deployed_code",
    "PurgedAccountProvider": "purged_account",
    "ReplacementGuardProvider": "replacement_guard",
}


def __getattr__(name: str) -> type:
    """A provider, whose module is imported only then: a module that is broken does not break the others."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
