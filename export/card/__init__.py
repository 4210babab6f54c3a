"""The model card of a bundle, as Markdown and JSON."""
