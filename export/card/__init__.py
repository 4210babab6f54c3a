"""The model card of a bundle, as Markdown and JSON, made from its manifest.

Inside: the templates of the card, its known limits, and the gallery of mistakes that the manifest records.
"""
