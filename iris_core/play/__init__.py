"""Playing with an agent and its world model: what `iris play` and the widget share.

keys.py         the keyboard, from the names of a game's actions
imagination.py  the world model, telling what it expected
worlds.py       the real game, the dream and a recorded episode, stepped alike
session.py      a state machine: who plays where, back and forth, branches
render.py       pure functions from a view of a session to a picture
recording.py    videos, arrays, contact sheets, replay
talk.py         a page's messages and the answers to them
page.py         the page without a notebook
"""
