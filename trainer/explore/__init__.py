"""The data report: a folder of films described before training, and the shortcuts that a network could learn from it.

Inside: facts about files, probes, figures and the page.
Not inside: networks; the shell of the page is in `trainer.report`.
"""
