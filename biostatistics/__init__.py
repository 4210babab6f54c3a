"""Statistics of labels and probabilities, for trainer and service: metrics, intervals, paired comparisons."""
