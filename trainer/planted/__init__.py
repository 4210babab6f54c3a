"""What lies on films of other hospitals and is not the patient: leads, tubes, markers, text, borders, photographs.

Inside: the drawings and the table of their names. Training draws them at random, judging draws them to measure; nothing
here knows networks, labels or files.
"""
