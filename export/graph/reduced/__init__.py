"""Graphs with fewer bits: which part of a graph is worth them, int8 and fp16."""
