"""The leads of a big company in memory."""
