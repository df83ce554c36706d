"""The commands that use what was trained, and ``look``, which shows what data and networks hold."""
