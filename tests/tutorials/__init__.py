"""Networks as popular tutorials have them: each is defined, proved on three engines and trained."""
