"""The assistants API: one module per route, and what they share."""
