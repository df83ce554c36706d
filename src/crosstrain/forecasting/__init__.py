"""How good forecasts are: measured in the series' own units, beside forecasts that need no network."""
