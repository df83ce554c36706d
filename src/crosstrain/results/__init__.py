"""What a comparison left: the schema of its JSON, its rows, and what follows from rows alone.

``schema`` (training) and ``inference`` are what a folder keeps, ``loading`` reads it; ``rows`` sums cells
up; ``pairwise``, ``stability`` and ``growth`` say how rows differ, whether times held still, and how they
grow with size and depth.
"""
