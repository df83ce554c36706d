"""One cell trained by several processes, each on its part of every batch: the same weights in all of them."""
