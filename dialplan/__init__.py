"""The words shared with Asterisk: variables, contexts, plans, display names."""
