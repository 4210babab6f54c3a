"""What a DICOM header states of patient, view, body part, hanging and exposure: tables of words and codes; no pixels."""
