"""The content of Keras model files of any age: configurations, weights, and code, which is refused."""
