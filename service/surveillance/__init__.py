"""The answers of the service against the truth: verdicts, figures that hold at any time, and the stop rule.

It lives in the database of the spool and outlasts the films: no patient, no UID and no pixel is in it. It knows neither
HTTP nor how a film is read; `reports` reads what readers and their systems write, `quarter` writes a quarter's bundle.
"""
