"""Fine-tuning: samples to a model, on one device or several (paper, section 4.1)."""
