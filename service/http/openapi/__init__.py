"""The OpenAPI document: what is added to what FastAPI makes of the routes, for readers and for generators."""
