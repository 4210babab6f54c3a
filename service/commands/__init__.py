"""The command lines of `python -m service`: predict, client, accept, site, keys, audit, deidentify.

`command` is what they share, `evidence` and `labelled` what those about a site's own films do.
"""
