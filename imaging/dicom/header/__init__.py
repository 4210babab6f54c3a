"""What a DICOM header states of patient, view, body part and hanging: tables of words and codes; no pixels."""
