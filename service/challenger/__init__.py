"""A second bundle that reads the films of the one that serves: it answers nobody, and is compared until it is promoted.

`reader` reads films at the lowest priority, `answers` keeps what it says in the spool's database, `pairs` brings both
bundles and the truth together, `comparison` and `promotion` judge. It knows no HTTP.
"""
