"""DICOM films to radiographs: data set, pixel data, codecs in child processes, the grayscale pipeline."""
