"""A film's reading, without HTTP: decode, prepare, predict, explain; also used by DICOMweb and the commands."""
