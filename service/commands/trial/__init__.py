"""Commands on a trial: a bundle without an effect on care."""
