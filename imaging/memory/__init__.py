"""Memory of films: in bands, within a budget, and given back; it knows no format."""
