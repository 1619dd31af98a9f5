"""A company under faults: people who call, what breaks meanwhile, and the judgement of the record."""
