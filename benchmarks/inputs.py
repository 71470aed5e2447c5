"""Inputs as users have them: the cases ``r8`` (sparse text), ``golub`` (genes) and ``predict``.

`alpha=0` in `r8` and `golub`: the libraries penalise different things, and the losses are compared.
"""

import multiprocessing

import numpy as np

from benchmarks.data import DATA, load, load_r8
from benchmarks.measure import PeakMemory, epoch_seconds, timed

N_REPEATS = 3
# epochs behind the accuracies on R8, and behind a time per epoch
TRAINED, TIMED = 12, 10
# found by trying thresholds of 0 to 1.7 and one to four times the automatic step
TEXT = {"solver": "adam", "threshold": 0.5, "learning_rate_init": 0.016}


def _forever(epochs):
    return {"max_iter": epochs, "tol": 0.0, "n_iter_no_change": 10**6, "alpha": 0.0}


def _fast_text(width, epochs, seed=0, **changed):
    from skfastnn import FastReLUClassifier

    return FastReLUClassifier(width, random_state=seed, **TEXT | _forever(epochs) | changed)


def _mlp(width, epochs, seed=0):
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(width, random_state=seed, **_forever(epochs))


def _per_epoch(make, more, *data):
    """Return the seconds of an epoch, as the difference of two fits."""
    return (timed(make(1 + more).fit, *data)[0] - timed(make(1).fit, *data)[0]) / more


def _text_memory(width, solver):
    """Return the peak memory of a fit on R8, in bytes of the weights."""
    X, y, *_ = load_r8()
    timed(_fast_text(64, 1).fit, X, y)
    memory = PeakMemory()
    _, model = timed(_fast_text(width, 2, solver=solver, learning_rate_init="auto").fit, X, y)
    return memory.growth() * 2**20 / model.coefs_[0].nbytes


def r8(n_threads):
    """R8, tf-idf, 5,485 x 19,956 with 58 entries a row: seconds per epoch beside MLPClassifier, accuracy, memory."""
    X, y, X_test, y_test = load_r8()
    timed(_mlp(1_024, 1).fit, X, y)
    wide = {name: [] for name in ("skfastnn 1,024", "skfastnn 16,384", "MLPClassifier 1,024")}
    for _ in range(N_REPEATS):
        for width, epochs in ((1_024, TIMED), (16_384, 3)):
            seconds, _ = epoch_seconds(_fast_text(width, epochs).fit, X, y)
            wide[f"skfastnn {width:,}"].append(np.median(seconds[1:]))
        wide["MLPClassifier 1,024"].append(_per_epoch(lambda n: _mlp(1_024, n), 1, X, y))
    peer = np.median(wide["MLPClassifier 1,024"])
    print(f"{'':24}{'s/epoch':>9}{'min-max':>16}{'ratio':>7}")
    for name, seconds in wide.items():
        s = np.median(seconds)
        print(f"{name:24}{s:>9.4f}{f'{min(seconds):.3f}-{max(seconds):.3f}':>16}{peer / s:>7.1f}")
    print(f"\n{TRAINED} epochs                {'loss':>9}{'accuracy':>10}{'fit s':>8}")
    for name, make, seeds in (("skfastnn 1,024", _fast_text, range(5)), ("MLPClassifier 1,024", _mlp, range(1))):
        fits = [timed(make(1_024, TRAINED, seed).fit, X, y) for seed in seeds]
        loss, seconds = np.mean([model.loss_ for _, model in fits]), np.median([s for s, _ in fits])
        score = np.mean([model.score(X_test, y_test) for _, model in fits])
        print(f"{name:24}{loss:>9.5f}{100 * score:>8.2f} %{seconds:>8.2f}")
    for solver in ("sgd", "adam"):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(f"peak memory of {solver}, m=16,384: {pool.apply(_text_memory, (16_384, solver)):.2f} x the weights")


def golub(n_threads, n_epochs=200, width=4_096):
    """golub 72 x 7,129, m=4,096: whole fits beside MLPClassifier, 200 epochs; five folds beside a linear SVC."""
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    from skfastnn import FastReLUClassifier

    with np.load(DATA / "gene_expression.npz") as file:
        sets = {name: (file[f"{name}/X"], file[f"{name}/y"]) for name in ("golub", "alon")}
    X, y = StandardScaler().fit_transform(sets["golub"][0]), sets["golub"][1]
    mine, peer = [], []
    for _ in range(N_REPEATS):
        model = FastReLUClassifier(width, solver="sgd", random_state=0, **_forever(n_epochs))
        mine.append(timed(model.fit, X, y)[0])
        # every epoch costs the same
        other = _mlp(width, 5)
        peer.append(timed(other.fit, X, y)[0] / 5 * n_epochs)
    a, b = np.median(mine), np.median(peer)
    print(f"golub, {X.dtype}, {n_epochs} epochs (MLPClassifier scaled from 5): ", end="")
    print(f"skfastnn sgd {a:.3f} s, MLPClassifier {b:.1f} s, ratio {b / a:.0f}; loss of skfastnn {model.loss_:.2g}")
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=10, random_state=0)
    makers = {
        "skfastnn, defaults": FastReLUClassifier(random_state=0),
        "skfastnn, alpha=loo": FastReLUClassifier(alpha="loo", random_state=0),
        "skfastnn, sgd": FastReLUClassifier(solver="sgd", random_state=0),
        "LinearSVC": LinearSVC(max_iter=100_000),
    }
    for name, (X, y) in sets.items():
        for label, model in makers.items():
            pipeline = make_pipeline(StandardScaler(), model)
            seconds, scores = timed(lambda p=pipeline, X=X, y=y: cross_val_score(p, X, y, cv=folds))
            print(f"{name:8}{label:22}{100 * scores.mean():>8.2f} % of ten times five folds{seconds:>8.1f} s")


def predict(n_threads, width=16_384):
    """MNIST 10,000 x 784, m=16,384: prediction beside the product it needs, its memory, and the time of a row."""
    from sklearn import config_context
    from sklearn.neural_network import MLPClassifier

    from skfastnn import FastReLUClassifier

    problem = load("mnist-400")
    X = problem.X_test
    model = FastReLUClassifier(width, solver="adam", max_iter=1, random_state=0)
    other = MLPClassifier(width, max_iter=1, random_state=0)
    for each in (model, other):
        timed(each.fit, problem.X_train, problem.y_train)
    for name, each in (("skfastnn", model), ("MLPClassifier", other)):
        memory = PeakMemory()
        with config_context(working_memory=64):
            each.predict(X)
        print(f"growth of memory in predict, {name}: {memory.growth():.1f} MB (working_memory=64)")
    W, out = model.coefs_[0], np.empty((X.shape[0], width), dtype=X.dtype)
    mine, product, peer = [], [], []
    for _ in range(2 * N_REPEATS + 1):
        product.append(timed(lambda: np.dot(X, W, out=out))[0])
        mine.append(timed(model.predict, X)[0])
    # by itself: it leaves and takes so much memory that whatever follows is slower
    for _ in range(N_REPEATS):
        peer.append(timed(other.predict, X)[0])
    a, b, c = np.median(mine), np.median(product), np.median(peer)
    print(f"predict {a:.3f} s, X @ W {b:.3f} s, ratio {a / b:.2f}; MLPClassifier {c:.3f} s")
    for name, each in (("skfastnn", model), ("MLPClassifier", other)):
        row = np.median([timed(each.predict, X[:1])[0] for _ in range(200)])
        print(f"one row, {name}: {1e6 * row:.0f} us")


CASES = {"golub": golub, "predict": predict, "r8": r8}
