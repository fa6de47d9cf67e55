"""The paper's figures, one module each: what a figure shows as numbers, its CSV, and its drawing."""
