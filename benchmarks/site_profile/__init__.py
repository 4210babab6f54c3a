"""Whether a site's own operating point keeps its promise: drawn again and again from films whose truth is known."""
