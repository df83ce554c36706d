"""What was seen inside a network, as pictures and as a page."""
