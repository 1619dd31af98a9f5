"""Decides whom a call reaches and why, from values alone, so that a decision can be tested and repeated."""
