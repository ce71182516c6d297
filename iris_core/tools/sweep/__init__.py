"""Many runs on Ray: `iris sweep games=all seeds=5 preset=paper resources.gpu=0.5`.

plan     what is asked for: runs, settings, resources
cluster  Ray, started here or joined
work     a run as a Ray task, and the sweep that hands them out
watch    the live table, with the time left
run      a sweep from its plan to its results

All that is known of a sweep lies in its folder, so the same command takes a stopped one
up again, and other seeds or games may be added to it:

outputs/sweeps/NAME/
    runs/GAME-seedN/   the run folders
    results/           scores.csv, table.md, and each run's results and metrics
"""
