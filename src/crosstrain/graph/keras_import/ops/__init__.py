"""Lowerings of ``keras.ops`` to the vocabulary, a module for each kind of op."""
