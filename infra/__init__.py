"""The Azure resources of the stack: settings, components and exports."""
