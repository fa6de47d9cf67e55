"""EmpatheticDialogues to samples, samples to chat messages, and generated text to synthetic samples (paper, section 3.1)."""
