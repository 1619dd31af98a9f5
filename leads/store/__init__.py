"""The database: the only place that holds SQL, for SQLite and PostgreSQL alike."""
