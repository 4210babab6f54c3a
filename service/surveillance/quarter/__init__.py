"""The post-market bundle of a quarter: what the ledger and the audit log of a period hold, counted and written out.

It reads alone, beside a running service. No key, UID, day of a film or rare value is in what it writes.
"""
