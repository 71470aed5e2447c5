"""Passes over weights that are laid out feature by feature, 64 neurons at a time, for rows of few entries."""
