"""The addresses of the service, one module for each subject; each only reads a request and words its answer."""
