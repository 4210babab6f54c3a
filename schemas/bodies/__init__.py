"""Bodies of the HTTP interface that belong to one subject: the Open Inference Protocol, and jobs."""
