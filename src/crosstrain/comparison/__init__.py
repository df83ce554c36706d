"""What a comparison is asked, and how it is run: settings, plan, budget, proofs, cells, folder."""
