"""What a comparison is asked, and the parts that run it: settings, plan, budget, proofs, cells, folder.

``crosstrain.studies.comparison`` drives them."""
