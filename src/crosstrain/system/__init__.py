"""The ground floor: files written whole, locks, processes, clocks, the machine. Knows nothing of networks."""
