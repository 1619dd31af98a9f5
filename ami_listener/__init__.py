"""Listens to Asterisk's manager interface and turns its events into calls on record."""
