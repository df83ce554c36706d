"""Networks out of crosstrain and into it, in the formats of others; each export is verified."""
