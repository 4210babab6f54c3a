"""The data contracts that trainer, exporter and service share: types and pure rules.

Not here: files, pixels, HTTP and torch.
"""
