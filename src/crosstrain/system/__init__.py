"""The ground floor: whole files, locks, processes, clocks, energy, the machine. Knows nothing of networks."""
