"""Data sets that say what is where in pictures: label maps, a file each."""
