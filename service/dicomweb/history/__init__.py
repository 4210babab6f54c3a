"""What the spool remembers beyond the film in hand: versions, what was issued about them, and the studies."""
