"""Cells, the paper's tables and its figures."""
