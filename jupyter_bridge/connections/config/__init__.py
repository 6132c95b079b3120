"""Connections configured by files, traits and the environment."""
