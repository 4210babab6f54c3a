"""The report of a run as one HTML file for a person, made from the run's records alone.

Inside: reading the records, curves and figures, sentences, the CLAIM checklist, and the templates of the page.
Not inside: networks, and films other than the few that the report shows.
"""
