"""Answers Asterisk's question «where does this call go», over FastAGI or as a one-shot AGI script."""
