"""The truths that engines are held against: NumPy, Keras in float64, and finite differences."""
