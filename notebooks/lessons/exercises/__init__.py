"""Exercises, a file a lesson: solutions beside the slips that readers make."""
