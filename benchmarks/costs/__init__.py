"""What an explanation costs, and what the service takes: programs that measure, one a module."""
