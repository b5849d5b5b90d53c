"""Serves the federation's best model over the V2 inference protocol."""
