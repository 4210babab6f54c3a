"""From outputs to answers: the decision about a film, and drift over many."""
