"""An analysis as an HL7 v2 message: the characters, the segments, the message."""
