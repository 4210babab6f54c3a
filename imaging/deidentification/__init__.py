"""Copies of DICOM films without their patients: the Basic Profile of PS3.15 as a table, and its use."""
