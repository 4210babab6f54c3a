"""Clinical statistics of labels and probabilities: metrics, intervals, paired comparisons; knows no film."""
