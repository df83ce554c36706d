"""The charts of the report page, by what they show."""
