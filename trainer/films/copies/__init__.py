"""Copies of a film that were altered: cropped, mirrored, turned, moved, framed, inverted, equalised, written on.

Pictures (`picture`) become fingerprints under many movements (`fingerprint`); the likeliest pairs are aligned and
compared pixel by pixel (`alignment`); `search` does all of it and keeps what it found. Copies that were only encoded
again are found by `trainer.films.duplicates`.
"""
