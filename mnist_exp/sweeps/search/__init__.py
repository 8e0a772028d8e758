"""What is explored, and what to try next."""
