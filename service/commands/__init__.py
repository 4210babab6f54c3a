"""The command lines of `python -m service`: predict, keys, audit, deidentify."""
