"""Linear operators on gathers: Radon transform, normal moveout, sampling of traces."""
