"""Networks for sequences: series of numbers, texts as tokens, and pictures read row by row."""
