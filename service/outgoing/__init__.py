"""Calls to other machines: TLS with our own certificate, credentials, OAuth 2 tokens, answers that have a bound."""
