"""What a trained network is worth: calibration, evaluation, subgroups, shifts, the out-of-distribution gate."""
