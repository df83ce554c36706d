"""Networks of radial units: radial basis (classifier and regressor), generalised regression, probabilistic.

Estimators: ``RadialBasisNetworkClassifier``, ``RadialBasisNetworkRegressor``, ``GeneralisedRegression``,
``ProbabilisticNetwork``.
"""
