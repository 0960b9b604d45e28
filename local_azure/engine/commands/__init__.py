"""The commands of the engine's command line, a module for each group that changes together."""
