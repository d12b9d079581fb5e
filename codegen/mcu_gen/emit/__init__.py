"""Turns a plan into the text of a project tree."""
