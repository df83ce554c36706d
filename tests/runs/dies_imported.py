"""A module whose import says something and kills the process, as a broken framework does."""

import os
import time

print("the library for matrices is not there", flush=True)
time.sleep(1.0)
os.abort()
