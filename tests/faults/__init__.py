"""What is done to commands at work and to what is around them, and what must hold after it."""
