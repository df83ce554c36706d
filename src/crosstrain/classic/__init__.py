"""The classical networks, from the perceptron to deep belief nets, as scikit-learn estimators.

Every class follows scikit-learn's conventions (``fit``, ``predict``, ``transform``, ``score``,
``get_params``, ``random_state``) and computes in float64. Arrays of NumPy, PyTorch, JAX or CuPy may go
in; what comes out is of the same kind (:mod:`crosstrain.classic.arrays`). One folder for each family:

- ``single_layer``: perceptron, Adaline, Madaline;
- ``multilayer``: the multilayer perceptron and its training rules, from descent to Levenberg–Marquardt;
- ``radial``: radial basis, generalised regression and probabilistic networks;
- ``competitive``: winner takes all, Hamming, Kohonen's map, neural gas, LVQ, ART;
- ``associative``: Hopfield, bidirectional memory, Elman, Jordan, cellular networks;
- ``stochastic``: Boltzmann machines, deep belief and deep stacking networks;
- ``tasks``: worked examples; ``pictures``: what they draw; ``neurolab``: NeuroLab's own calls.
"""
