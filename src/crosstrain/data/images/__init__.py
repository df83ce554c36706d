"""Pictures: decoding, resizing, and the steps of preparation that follow."""
