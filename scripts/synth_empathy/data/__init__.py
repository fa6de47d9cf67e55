"""Data sets to samples, samples to chat messages, generated text to synthetic samples (paper, section 3.1)."""
