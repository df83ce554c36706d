"""Units that compete: winner takes all, Hamming, Grossberg's stars, Kohonen's map, neural gas, LVQ, ART.

Estimators: ``WinnerTakesAll``, ``HammingNetwork``, ``Instar``, ``Outstar``, ``CounterPropagation``,
``SelfOrganizingMap``, ``GrowingNeuralGas``, ``LVQ``, ``ART1``, ``FuzzyART``.
"""
