"""What a DICOM header states of patient, view, body part, hanging, exposure: tables of words and codes; no pixels."""
