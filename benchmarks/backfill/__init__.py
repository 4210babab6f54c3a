"""What a backfill of thousands of films costs: memory, pace, and the same job again."""
