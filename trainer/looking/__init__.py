"""What a network looks at: masks and boxes of films, films with parts erased, heat against regions, sanity of maps.

Inside: figures for the records. It draws nothing, and chooses nothing: no threshold and no network rests on it.
"""
