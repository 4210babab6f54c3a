"""Routes of a hospital's own evidence: acceptance reports, monitoring, verdicts, the challenger."""
