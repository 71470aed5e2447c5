"""Structures of the papers as they are published, to be used and measured by themselves.

Nothing that trains imports this room. The names are offered under `skfastnn.search` (trees), `skfastnn.lowrank` and
`skfastnn.sketch`.
"""
