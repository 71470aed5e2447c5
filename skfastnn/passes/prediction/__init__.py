"""Passes over fitted weights, for prediction."""
