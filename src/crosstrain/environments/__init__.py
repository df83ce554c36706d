"""Python environments of engines: made from pinned requirements, found, removed; the versions in them."""
