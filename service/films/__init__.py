"""One film from its bytes to what the networks see of it, and the processes that do it."""
