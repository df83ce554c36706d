"""What a trained network sees: filters, maps, projections, attributions, exciting inputs, features."""
