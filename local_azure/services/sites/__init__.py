"""Function apps: publish endpoint, Functions host and Python worker."""
