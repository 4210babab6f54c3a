"""The report of a run: one HTML file that says what was chosen, how sure that is, what goes wrong, and how to repeat it."""
