"""Proof that engines do the same work: certificates, and on failure the first node that departs and why."""

from crosstrain.proof.certificate import BOUNDS, Certificate, Departure, Proof
from crosstrain.proof.prove import prove

__all__ = ["BOUNDS", "Certificate", "Departure", "Proof", "prove"]
