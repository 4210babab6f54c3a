"""The DICOM network: films in by C-STORE, results out by C-STORE, storage commitment, DICOM TLS; no HTTP routes."""
