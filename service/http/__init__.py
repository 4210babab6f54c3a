"""HTTP: routes, errors, middleware, early refusal, request bodies and options; knows no network."""
