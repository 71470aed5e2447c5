"""Passes over weights that are laid out neuron by neuron."""
