"""Python environments of engines: made from pinned requirements, found, examined, removed."""
