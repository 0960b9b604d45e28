"""Dynamic resources, for what azure-native does not support.

A dynamic provider is pickled by reference into the state, and `refresh` and `destroy` load it from there
without the program. So every provider has this package as its module: its file can be moved, and older states
still load. States from before infra/dynamic/ name infra.deployment, infra.guard, infra.purge and
infra.replacement, which are kept for them.
"""

from infra.dynamic.deletion_guard import DeletionGuardProvider
from infra.dynamic.deployed_code import DeployedCodeProvider
from infra.dynamic.purged_account import PurgedAccountProvider
from infra.dynamic.replacement_guard import ReplacementGuardProvider

PROVIDERS = (DeletionGuardProvider, DeployedCodeProvider, PurgedAccountProvider, ReplacementGuardProvider)
for _provider in PROVIDERS:
    _provider.__module__ = __name__
