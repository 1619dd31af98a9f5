"""A big company's leads in memory, so that a list of them costs what it shows, whatever narrows it (L10)."""
