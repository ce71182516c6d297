"""What all pictures share: colours, frames in rows, contact sheets, learning curves."""
