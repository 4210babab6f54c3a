"""Films with several findings, each judged by itself: what is known of each, and which of them are learned."""
