"""What the files of Keras models of any age hold: configurations, weights, and code that is refused."""
