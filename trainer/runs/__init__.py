"""One run: its trials, the search before them, the leaderboard, ensembles, and the sealed test set."""
