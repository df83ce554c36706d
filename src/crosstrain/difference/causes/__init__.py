"""Known mistakes of porting, each as a small rule with the evidence that it wants."""

from crosstrain.difference.causes import attributes, structure  # noqa: F401  (importing adds the rules)
