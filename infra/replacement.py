"""Loads states that name this module: see infra/dynamic/__init__.py."""

from infra.dynamic.replacement_guard import ReplacementGuardProvider

__all__ = ["ReplacementGuardProvider"]
