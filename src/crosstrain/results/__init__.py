"""What a comparison left: the schema of its JSON, its rows, and how a folder is read."""
