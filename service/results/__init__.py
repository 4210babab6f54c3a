"""Results for other systems: DICOM objects for the archive, FHIR for the record; pure functions of an analysis."""
