"""The addresses of the service, one module for each subject; each only reads a request and words its answer.

The steps between, from the body to the audit log, are `service.http.film_request`.
"""
