"""The case ``claims``: a verdict on twenty claims of the five papers, in operations counted rather than timed."""

import sys
import time

from threadpoolctl import threadpool_limits

from benchmarks.claims import firing, halfspaces, heavy_pairs, layers, second_order, training, trees
from benchmarks.claims.page import write_page
from benchmarks.claims.record import save

# by number of the claim; a function may answer several
MEASURED = {
    (1, 2, 3): firing.fired_neurons,
    (4, 5): training.stability,
    (6, 8): trees.tree_costs,
    (7,): trees.iteration_cost,
    (9,): halfspaces.report_cost,
    (10,): training.missed_neurons,
    (11,): second_order.contraction,
    (12,): second_order.smallest_eigenvalue,
    (13,): second_order.sketched_conditioning,
    (14,): layers.fired_by_layer,
    (15,): layers.update_cost,
    (16,): layers.norms,
    (17,): heavy_pairs.exponent,
    (18,): heavy_pairs.success,
    (19,): heavy_pairs.separation,
    (20,): trees.cost_of_a_change,
}


def measure_claims():
    """A verdict on each of the papers' twenty claims, in operations counted: results/claims.json and doc/claims.md."""
    found = []
    with threadpool_limits(1):
        for numbers, measure in MEASURED.items():
            start = time.process_time()
            found += measure()
            print(f"claims {', '.join(map(str, numbers))}: {time.process_time() - start:.0f} s", file=sys.stderr)
    found.sort(key=lambda claim: claim.number)
    save(found)
    write_page()
    for claim in found:
        print(f"{claim.number:>2} {claim.verdict:14} {claim.conclusion}")
