"""From a task to a trained network: plan, build, run the stages, export.

Most solvers have one stage. "adam_gauss_newton" has two: Gauss-Newton alone is kernel regression in disguise, with the
kernel of the features that were drawn. Adam moves the features to where the target needs them, and leaves a loss that
many more epochs would bring down; a few iterations of Gauss-Newton from there, with the kernel of the features that
were learned, do it at once. The penalty is on the distance from where Adam arrived: what it found is kept unless the
data say otherwise.
"""

from collections import Counter
from dataclasses import replace

import numpy as np

from skfastnn._building import build, take_up, with_factors, without_factors
from skfastnn._deep_fitting import DeepTrainer
from skfastnn._fitted import predicting
from skfastnn._fitting import History, Trainer
from skfastnn._lbfgs_fitting import LbfgsTrainer, NoSteps
from skfastnn._messages import warn
from skfastnn._plan import choose_search, make_plan, sized
from skfastnn._prediction import neuron_order
from skfastnn._rates import choose_rate, measure_steps, share_of_unit
from skfastnn._scoring import make_validator
from skfastnn._second_order_fitting import GaussNewtonTrainer
from skfastnn._stages import sentence
from skfastnn._start import Start
from skfastnn._task import Trained
from skfastnn._threads import effective_n_threads
from skfastnn.search import make_engine
from skfastnn.solvers import make_solver

# Change of the unit of the rows up to which moments of the steps before are those of the steps to come.
LARGEST_CHANGE_OF_SCALE = 1.25


def train(task, recipe):
    """Return the network of a recipe, `Trained`.

    Parameters
    ----------
    task : Task
    recipe : Recipe

    Raises
    ------
    ValueError
        If no neuron fires, the target is too large, or the weights are not finite.
    KeyboardInterrupt
        If it comes before the first epoch has ended.
    """
    held_out, task = task.held_out, task.encoded(recipe)
    start, anew = _start_of(task, recipe)
    plan = make_plan(task.params, task.problem, task.solver, recipe, start, task.data.X.shape[0])
    network, data, start = _network_of(task, plan, start, anew)
    history = History() if task.before is None else _history_after(task, recipe)
    trainer, start = _first_trainer(task, plan, (network, data, start, anew))
    trainer.history = history

    def to_predict(coefs, intercepts):
        return predicting(with_factors(coefs, recipe.scales), intercepts, recipe, start, task.loss)

    validate = None
    if held_out is not None:
        validate = make_validator(held_out, task.held_out.X, task, to_predict)
    task.progress.begin(sum(stage.epochs for stage in plan.stages), to_predict)
    trainer, stages, counters = _run_stages(task, plan, trainer, (data, validate, start.thresholds))
    if history.interrupted and not history.loss_curve:
        raise KeyboardInterrupt
    goes_on = (task.problem.incremental or task.params.warm_start) and hasattr(trainer.solver, "resume")
    solver_state = _save_solver(trainer.solver, plan, start, network.dtype) if goes_on else None
    drawn = _drawn(network.layers[0]) if task.problem.incremental else None
    recall = float(trainer.engine.recall)
    del trainer  # the memory of solver and engine is needed for the export
    coefs, intercepts = _export(network, history.best_parameters, recipe.scales)
    if recipe.share_of_output < 1:
        coefs, intercepts = _nearer_to(recipe.constant, recipe.share_of_output, coefs, intercepts)
    neurons = _order_neurons(task, recipe, start, (coefs, intercepts), history.n_samples_seen)
    return Trained(plan, stages, coefs, intercepts, history, start, solver_state, counters, recall, neurons, drawn)


def _start_of(task, recipe):
    """Return where training starts, and whether the network is drawn anew."""
    before, incremental = task.before, task.problem.incremental
    if before is None:
        start, anew = Start.at(task.data, task.loss, task.random_state, fitted=not incremental), True
    elif incremental:
        start, anew = before.start.following(task.data, task.loss)
    else:
        start, anew = before.start, False
    return (sized(start, task.params, task.problem, task.solver, recipe) if anew else start), anew


def _network_of(task, plan, start, anew):
    """Return the network to train, the samples as it takes them, and the start."""
    data, loss = task.data, task.loss
    drawn = None if anew else task.before.drawn
    network, X, start = build(plan, start, data, task.held_out, anew and not task.problem.incremental, drawn)
    if not anew:
        take_up(network, task.before, plan.recipe.scales)
    target = (data.target - network.target_shift) / network.target_scale
    if anew:
        network.v[...] = loss.initial_output(target, data.weight)
    target = target.astype(X.dtype, copy=False)
    if not np.isfinite(target).all():
        raise ValueError(f"The target y has numbers that are too large for {X.dtype}: scale it.")
    return network, replace(data, X=X, target=target), start


def _history_after(task, recipe):
    """Return the history to go on with: held-out rows that are those of the call before keep their best weights."""
    before, n_seen = task.before, task.before.n_samples_seen
    if before.best_score is None:
        return History(n_samples_seen=n_seen)
    best = without_factors(before.coefs, recipe.scales), before.intercepts
    return History(n_samples_seen=n_seen, best_score=before.best_score, best_parameters=best)


def _first_trainer(task, plan, made):
    """Return the trainer of the first stage, and the start, which knows the step size from then on."""
    network, data, start, anew = made
    stage = _with_search(plan.stages[0], data.X, network)
    solver = _make_solver(stage, network)
    if not anew:
        _restore_solver(solver, task.before.solver_state, plan, start)
        solver.measure()
    # with "auto", as with the plain ReLU, there is always a model, a constant at the least
    threshold_given = anew and not isinstance(task.params.threshold, str)
    start = measure_steps(plan, start, network, data, task.loss, threshold_given)
    rate, unit = choose_rate(plan, start, network, data)
    if not anew:
        unit *= share_of_unit(start, plan, network, data, task.loss, solver.n_steps)
    return _make_trainer(replace(stage, learning_rate_init=rate, unit=unit), network, solver, task), start


def _with_search(stage, X, network):
    return replace(stage, search=choose_search(stage, X, network))


def _make_solver(stage, network):
    if stage.solver == "lbfgs":
        return NoSteps()
    return make_solver(stage.solver, network, stage.settings, effective_n_threads())


def _make_trainer(stage, network, solver, task):
    """Return the trainer of a stage, which alone keeps the solver and the engine, and lets them go."""
    several = Trainer if len(network.layers) == 1 else DeepTrainer
    kind = {"gauss_newton": GaussNewtonTrainer, "lbfgs": LbfgsTrainer}.get(stage.solver, several)
    engine = make_engine(stage.search, network.layers[0])
    trainer = kind(network, solver, engine, task.loss, stage.schedule(), task.random_state)
    trainer.stage, trainer.progress = stage, task.progress
    return trainer


def _run_stages(task, plan, trainer, given):
    """Run the stages; return the trainer of the last one, the stages as they were run, and counters of all."""
    (data, validate, thresholds), stages, counters = given, [], Counter()
    history, network = trainer.history, trainer.network
    for number, planned in enumerate(plan.stages):
        if number > 0:
            if not _reached_its_end(history, stages[-1]):
                break
            if history.best_parameters is not None:
                network.load(*history.best_parameters)
            network.begin_here()
            history.n_without_improvement, history.converged = 0, False
            rate = stages[0].learning_rate_init
            del trainer  # the memory of its solver and engine is needed for the kernel
            stage = replace(_with_search(planned, data.X, network), learning_rate_init=rate)
            trainer = _make_trainer(stage, network, _make_solver(stage, network), task)
            trainer.history = history
        _announce(task.progress, number + 1, plan, plan.describe(trainer.stage, thresholds))
        _run_stage(trainer, data, validate)
        counters.update(trainer.engine.counters)
        stages.append(replace(trainer.stage, alpha=trainer.schedule.alpha))
    return trainer, stages, {name: int(count) for name, count in counters.items()}


def _announce(progress, number, plan, record):
    progress.announce(lambda: f"Stage {number} of {len(plan.stages)}: {sentence(record)}")


def _reached_its_end(history, stage):
    """Return whether a stage was neither interrupted nor stopped, nor did it diverge."""
    return not (history.interrupted or history.stopped) and (
        history.converged or len(history.loss_curve) >= stage.epochs
    )


def _run_stage(trainer, data, validate):
    """Train; without memory for the search structure, train densely."""
    stage, random_state, n_steps = trainer.stage, trainer.random_state, trainer.solver.n_steps
    state = random_state.get_state(legacy=False)
    samples = data.X, data.target, data.weight, stage.epochs, validate
    try:
        trainer.fit(*samples)
        return
    except MemoryError as error:
        if stage.search == "dense" or trainer.solver.n_steps > n_steps:
            raise
        message = str(error)
    # outside of the handler, so that the traceback does not keep the arrays of the engine alive
    warn(f"Not enough memory for search={stage.search!r} ({message}); training with search='dense'.", RuntimeWarning)
    random_state.set_state(state)
    trainer.stage, trainer.schedule = replace(stage, search="dense"), stage.schedule()
    trainer.engine = make_engine("dense", trainer.network.layers[0])
    trainer.fit(*samples)


def _save_solver(solver, plan, start, dtype):
    """Return what another call needs to go on with the same moments, None where there are none."""
    # the scale is not of the space of the rows, whose unit is one
    arrays, scale = solver.state(), float(start.coordinates(dtype).scale)
    return {"solver": plan.solver, "n_steps": solver.n_steps, "arrays": arrays, "scale": scale} if arrays else None


def _drawn(network):
    """Return what a network has drawn for another call to take; None where solvers replace it."""
    return None if network.by_panels else network.start


def _restore_solver(solver, state, plan, start):
    """Go on with the moments of the call before, if there are any in about these coordinates."""
    if state is None or state["solver"] != plan.solver:
        return
    ratio = start.coordinates(np.float64).scale / state["scale"]
    if max(ratio, 1 / ratio) < LARGEST_CHANGE_OF_SCALE:
        solver.resume(state["arrays"], state["n_steps"])


def _nearer_to(constant, share, coefs, intercepts):
    """Return weights and intercepts of a network whose output has gone a share of the way from a constant."""
    *hidden, V = coefs
    *below, v = intercepts
    moved = constant + share * (v - constant)
    return [*hidden, (share * V).astype(V.dtype)], [*below, moved.astype(v.dtype)]


def _export(network, best, scales):
    """Return weights and intercepts, the best if they were kept; factors of columns are multiplied in."""
    if best is None:
        network.settle()
        best = network.export()
    coefs, intercepts = best
    return with_factors(coefs, scales), intercepts


def _order_neurons(task, recipe, start, weights, n_seen):
    """Return the order of the neurons in a tree for prediction; an order that is old costs time, nothing else."""
    if task.before is not None and task.problem.incremental and n_seen < 2 * task.before.neurons["n_seen"]:
        return task.before.neurons
    order = None
    if len(recipe.widths) == 1 and recipe.scales is None:
        order = neuron_order(*weights, start.rows.mean, task.data.X)
    return {"order": order, "n_seen": n_seen}
