"""Parts of the section on a trial: findings that are judged each by itself, and groups of films."""
