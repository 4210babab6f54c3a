"""Training of the guide, which finds the lungs on a film and says what kind of film it is."""
