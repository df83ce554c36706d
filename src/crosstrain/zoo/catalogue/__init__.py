"""The catalogue of networks: what a row says, and the rows."""
