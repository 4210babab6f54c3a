"""An analysis as HL7 FHIR, R4 or R5: a collection that names no patient, or a transaction that does."""
