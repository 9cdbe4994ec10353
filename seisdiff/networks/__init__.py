"""Networks on padded gathers."""
