"""The audit log to the hospital's audit repository: ATNA messages over syslog with TLS, from where they ended."""
