"""Cells, the paper's tables and its figures.

paper_values               the paper's numbers: one reader of each file
cells                      a value of ours beside the paper's: one file each
tables                     a table's rows and columns, read from its cells, and as CSV
table_markdown, _latex     the table for readers; table_notes has what stands under it
comparison_table           a comparison of two systems
figures                    a figure a module
"""
