"""Rendered talking faces: a corpus in LRW's layout, from a seed alone."""
