"""A sweep from its plan to its results."""

from __future__ import annotations

from iris_core.tools.sweep.cluster import ray_for
from iris_core.tools.sweep.plan import Sweep
from iris_core.tools.sweep.watch import LiveTable
from iris_core.tools.sweep.work import gather, part_times, slots, work


def run_sweep(sweep: Sweep, only_plan: bool = False) -> dict[str, str]:
    """Say what a sweep will cost, then train what is not finished and gather it all.

    Returns what went wrong, by run. KeyboardInterrupt leaves the runs saved.

    Raises:
        ConfigError: Ray is missing or too small, or runs of this name differ.
    """
    sweep.check_folder()
    with ray_for(sweep.address) as ray:
        count = slots(ray, sweep)
        seconds, source = part_times(ray, sweep)
        table = LiveTable(sweep, seconds, count)
        print(table.plan(source), flush=True)
        if only_plan:
            return {}
        gather(sweep, [run for run in sweep.configs if sweep.finished(run)])
        failed = work(ray, sweep, table.run_ended, table.refresh)
        table.clear()
    print(f"results: {sweep.results}\nfigures: iris figures --own {sweep.results}")
    return failed
