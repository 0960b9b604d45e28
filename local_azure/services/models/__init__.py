"""The chat model behind local Azure's OpenAI accounts: their data plane, a stand-in's replies, scripts."""
