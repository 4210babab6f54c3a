"""The command lines of `python -m service`: predict, client, keys, audit, deidentify; `command` is what they share."""
