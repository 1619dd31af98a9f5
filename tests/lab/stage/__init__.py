"""A stage for telephone stories: a real Asterisk, sipp at every end, and what each end saw."""
