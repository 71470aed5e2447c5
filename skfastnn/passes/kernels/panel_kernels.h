/* Vector kernels for a panel of 64 neurons against rows of a sparse matrix.
 *
 * A panel holds 64 numbers per feature, which are consecutive: a stored entry costs a few whole vectors, with no
 * gathering. Features are taken one after the other, so that their weights come from memory once, in order, and stay in
 * registers for all rows that have the feature; what belongs to the rows stays in the caches. Compiled as
 * vector_kernels.h is, from which the vector types come.
 */
#ifndef SKFASTNN_PANEL_KERNELS_H
#define SKFASTNN_PANEL_KERNELS_H

#include "step_kernels.h"

#define PANEL 64
/* numbers from one row of a tile, the pre-activations or signals of a panel, to the next. 64 would put all rows into a
 * quarter of the first-level cache, and who goes through a column would find none of them there. */
#define TILE_LD 80
/* lines of a row of signals that are taken at a time: 128 bytes of each of 200 rows stay in the first-level cache, and
 * weights come from memory in pairs of lines */
#define LINES_OF_STRIP 2
/* features ahead of which the weights are asked for: of few rows, they are far apart in memory */
#define AHEAD 8

/* rows of a sparse matrix by feature, those that some row has */
typedef struct {
    const int32_t *feature;   /* (n_present,) */
    const int64_t *end;       /* (n_present + 1,) entries of feature[j] are end[j], ..., end[j + 1] - 1 */
    const int32_t *row;       /* (n_entries,) */
    ptrdiff_t n_present, n_rows;
} feature_entries;

#define KERNELS "panel_kernels_body.h"
#include "each_version.h"
#undef KERNELS

#define panel_forward_f32(...) CALL(panel_forward_f32, __VA_ARGS__)
#define panel_forward_f64(...) CALL(panel_forward_f64, __VA_ARGS__)
#define columns_forward_f32(...) CALL(columns_forward_f32, __VA_ARGS__)
#define columns_forward_f64(...) CALL(columns_forward_f64, __VA_ARGS__)
#define panel_add_f32(...) CALL(panel_add_f32, __VA_ARGS__)
#define panel_add_f64(...) CALL(panel_add_f64, __VA_ARGS__)
#define panel_adam_f32(...) CALL(panel_adam_f32, __VA_ARGS__)
#define panel_adam_f64(...) CALL(panel_adam_f64, __VA_ARGS__)
#define panel_backward_f32(...) CALL(panel_backward_f32, __VA_ARGS__)
#define panel_backward_f64(...) CALL(panel_backward_f64, __VA_ARGS__)

#endif
