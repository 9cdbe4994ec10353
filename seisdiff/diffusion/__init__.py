"""Conditional diffusion over what a U-Net leaves uncertain."""
