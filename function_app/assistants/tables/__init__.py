"""Typed access to the app's tables. Only these modules use the Table SDK's clients."""
