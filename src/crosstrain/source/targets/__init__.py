"""The frameworks that source is written for, a module each: tables of expressions."""
