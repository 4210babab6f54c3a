"""Limits of gates that a command shows in its help: apart, so that help needs no library."""

LEAST_AUROC = 0.7
"""Lower end of the 95 % interval of the AUROC. Hosmer, Lemeshow and Sturdivant (Applied Logistic Regression, 2013, ch.
5.2.4) call less than .7 poor; an untrained ResNet18 has had .696 on Kermany's films."""
