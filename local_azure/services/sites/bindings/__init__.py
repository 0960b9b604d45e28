"""What the host does for an output binding after the handler has returned."""
