"""Proof that engines do the same work: certificates, and on failure the first node that departs and why.

Workers import ``evidence`` from here, so nothing of the supervisor's side is imported at the top: ``prove``
is in ``crosstrain.proof.prove``.
"""

from crosstrain.proof.certificate import BOUNDS, Certificate, Departure, Proof

__all__ = ["BOUNDS", "Certificate", "Departure", "Proof"]
