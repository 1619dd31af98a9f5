"""A telephone company on one machine, to try Leadline and to test it: Asterisk, phones and callers from outside."""
