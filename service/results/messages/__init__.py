"""What every message about a film states, in FHIR or in HL7 v2: whose it is, and what was found, in words and codes."""
