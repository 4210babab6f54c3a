"""Films from the command line, read once: in this process, or by a server."""
