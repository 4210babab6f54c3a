"""The network: uvicorn with limits for its connections, and an end that drains; knows no route and no film."""
