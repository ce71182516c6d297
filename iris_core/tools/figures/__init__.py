"""The paper's result figures and tables, the same for later work, and for own runs.

aggregates  over all games: aggregates, performance profiles, P(improvement)
games       game by game
tables      the table of 26 games, as LaTeX, Markdown, HTML and a picture
own_runs    this project's runs: beside the published ones, and while they learn
agents      what a trained agent sees and dreams
write       all of it into files: `iris figures`
style       one look for all: colours, markers, sizes
"""
