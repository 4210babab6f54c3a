"""What readers and their systems write, as statements about films: tables, final reports, assessments as DICOM SR.

Each module reads one format and returns `Statement`s; none stores anything, and no text of a report leaves it.
"""
