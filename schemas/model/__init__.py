"""The records of one trained network, from the trial to the manifest of its bundle, and the rules that read them."""
