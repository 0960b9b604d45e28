"""The bindings of the Azure OpenAI extension for assistants: what it reads, writes and asks the model."""
