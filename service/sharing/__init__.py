"""What replicas share through PostgreSQL: quotas and kept answers; each falls back to the process's own without it."""
