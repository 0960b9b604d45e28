"""Typed access to the rows of the app: nothing else knows the Table SDK."""
