"""What a running comparison tells: events, a file for viewers, where time goes and how much is left."""
