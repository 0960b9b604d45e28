"""What a checkout needs before anything else. Imports nothing of the project."""
