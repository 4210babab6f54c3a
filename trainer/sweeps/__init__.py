"""Sweeps over several processes and machines.

Here are the list of trials, the command that runs one of them, and what runs the list: this machine, Ray or Slurm. How
a trial is trained stands in `trainer/trials/`, how trials are ranked in `trainer/runs/`.
"""
