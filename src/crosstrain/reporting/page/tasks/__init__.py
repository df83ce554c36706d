"""What the page says of single tasks: classes, pixels, forecasts, captions."""
