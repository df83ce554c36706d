"""Studies: a plan in a TOML file, run as comparisons, and set beside what others have published."""
