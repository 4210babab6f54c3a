"""Bundles outside of this machine: OCI registries and object stores, and the cache that is served from.

`address` names a store, `artifact` is the form of a bundle in a registry, `client` speaks to registries, `oci` and
`bucket` read and write a set of bundles, and `mirror` keeps a verified copy of it as a models directory. What is
optional (`obstore`) is imported only where an address asks for it.
"""
