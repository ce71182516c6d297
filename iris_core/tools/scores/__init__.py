"""Scores: published ones and our own, and what they amount to.

scores       tables of runs, read and checked
statistics   aggregates over the 26 games with bootstrap intervals
run_records  this project's own runs: their files, final tests and learning curves
"""
