"""The jobs of a sweep, run where a launcher puts them."""
