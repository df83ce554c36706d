"""Whether two definitions are the same network: the first node that departs, the likely cause, its effect."""
