"""Which synthetic samples are kept: by quality, then by diversity (paper, sections 3.2 and 3.3)."""
