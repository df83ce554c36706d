"""The frameworks: the contract they satisfy, the registry, and a folder for each."""
