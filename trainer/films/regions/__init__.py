"""Where the lungs and the findings of films lie."""
