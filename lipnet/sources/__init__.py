"""Corpus adapters: each lists the clips of one layout; `discover.SOURCES` is their table."""
