"""Loads states that name this module: see infra/dynamic/__init__.py."""

from infra.dynamic.purged_account import PurgedAccountProvider

__all__ = ["PurgedAccountProvider"]
