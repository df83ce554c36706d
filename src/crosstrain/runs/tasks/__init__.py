"""What a worker does with one framework: describes it, trains a cell or a trial, serves a network."""
