"""Carrying posts for callers that must not wait: those of asyncio, and those who publish."""
