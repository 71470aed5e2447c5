"""
More rows than memory
=====================

A network learns from a Parquet file that is never read as a whole: row groups come one by one, and `partial_fit` sees
each of them once. Memory holds one group and the network, however long the file is. A memory map of an array is read
the same way, by slices.

Run with ``python examples/out_of_core.py``; needs pyarrow.
"""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import r2_score

from skfastnn import FastReLURegressor

N_GROUPS, N_ROWS, N_FEATURES = 40, 5_000, 20


# %%
# A file of 200,000 rows in groups of 5,000, as a database or Spark would write it.


def make_rows(rng):
    X = rng.standard_normal((N_ROWS, N_FEATURES), dtype=np.float32)
    y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.standard_normal(N_ROWS)
    return X, y


def write(path):
    rng = np.random.default_rng(0)
    names = [f"x{j}" for j in range(N_FEATURES)]
    schema = pa.schema([(name, pa.float32()) for name in names] + [("y", pa.float64())])
    with pq.ParquetWriter(path, schema) as file:
        for _ in range(N_GROUPS):
            X, y = make_rows(rng)
            file.write_table(pa.table([*X.T, y], schema=schema), row_group_size=N_ROWS)


# %%
# The stream: rows and target of one group after the other.


def groups(path):
    file = pq.ParquetFile(path, memory_map=True)
    for i in range(file.num_row_groups):
        table = file.read_row_group(i)
        yield np.column_stack([table[f"x{j}"] for j in range(N_FEATURES)]), table["y"].to_numpy()


# %%
# Each group is predicted before it is learned from, which is an honest score without any rows held out.


def main():
    model = FastReLURegressor(hidden_layer_sizes=(512,), solver="adam", learning_rate_init=0.003, random_state=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        write(path)
        print(
            f"{path.stat().st_size / 2**20:.0f} MiB on disk, one group in memory: {N_ROWS * N_FEATURES * 4 / 2**20:.1f}"
        )
        for i, (X, y) in enumerate(groups(path)):
            if i and i % 8 == 7:
                print(f"group {i + 1:2}: R2 of what was not yet seen = {r2_score(y, model.predict(X)):.3f}")
            model.partial_fit(X, y)
    print(f"{model.t_:,} rows seen, {model.coefs_[0].shape[1]} neurons")


if __name__ == "__main__":
    main()
