"""Azure Resource Manager's records: ids, resources, role assignments, errors. No sockets, no processes."""
