"""De-identified copies of films for training sets."""
