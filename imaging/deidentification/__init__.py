"""Copies of DICOM films that no longer say whose they are: the Basic Profile of PS3.15 as a table, and its use."""
