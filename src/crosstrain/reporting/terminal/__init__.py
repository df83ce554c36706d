"""What the terminal shows: tables at most 100 columns wide, live bars."""
