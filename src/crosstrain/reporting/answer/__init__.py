"""The answer of a comparison, and how it is written for papers."""
