"""How an absent value is written: one word for each case in data files, one sign in tables and figures."""

#: In CSV files, a value that does not exist: the paper's is in no text that we have, or ours is not computed.
UNKNOWN = "not available"
#: In a table's CSV, our value if its cell is not made yet, though a run could make it.
MISSING = "missing"
#: In tables and figures, either of the two; a note under the table or in the figure says which.
DASH = "–"
