"""What exists in Azure: the stack as components, from settings to exports."""
