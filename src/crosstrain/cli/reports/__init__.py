"""Commands that show what comparisons left."""
