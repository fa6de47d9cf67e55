"""How a value that is not there is written: one word for each case in files for machines, one sign for readers."""

#: In CSV files, a value that nobody has: the paper's in no text of it that we have, or ours where it is not computed.
UNKNOWN = "not available"
#: In a table's CSV, our value where its cell is not made yet, though a run could make it.
MISSING = "missing"
#: In tables and figures for readers, either of the two; a note under the table or in the figure says which.
DASH = "–"
