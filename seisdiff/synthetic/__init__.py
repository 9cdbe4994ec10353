"""Seismic data from a known earth: what goes in is known apart, so that results can be measured."""
