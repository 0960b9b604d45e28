"""The one base of every failure that the engine tells its user in a sentence."""


class EngineError(Exception):
    """Its text names the thing, the value, the rule and what mends it."""
