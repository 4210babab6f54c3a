"""The hospital's own evidence about a bundle: labels and answers in, figures, verdict and report out; reads no film."""
