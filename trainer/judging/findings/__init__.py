"""Judging findings each by itself: calibration, evaluation and answers, each on the films where a finding is known."""
